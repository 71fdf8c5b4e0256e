"""The law as data, and pure functions over it. No database, no clock, no I/O except reading these files."""
