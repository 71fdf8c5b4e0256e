"""Checking in to a shift and out of it (R.7, R.32)."""
