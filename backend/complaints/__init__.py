"""Complaints about auxiliaries, and what auxiliaries raise themselves."""
