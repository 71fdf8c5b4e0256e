"""The law as data and pure functions: no I/O but reading these files, no clock, no database."""
