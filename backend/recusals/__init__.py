"""Recusals: an auxiliary stays out of a case in which they may not be impartial (R.33)."""
