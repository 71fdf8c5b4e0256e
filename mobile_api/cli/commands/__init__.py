"""The commands of `fujing`, by theme."""
