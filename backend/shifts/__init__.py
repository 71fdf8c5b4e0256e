"""Shifts: check-in and check-out (R.7, R.32)."""
