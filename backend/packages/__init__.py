"""Packages: the footage of a recording or a matter, with everything that proves it."""
