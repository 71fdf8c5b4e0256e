"""The HTTP face of Fujing, its command line, and the Python client. Thin: one direction, no rules here."""
