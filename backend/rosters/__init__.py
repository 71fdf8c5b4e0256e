"""Rosters: planned shifts, and whether they were fulfilled (R.29)."""
