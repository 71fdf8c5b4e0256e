"""Supervision: who leads an auxiliary; named, confirmed, declined, ended, handed over (R.7, R.10)."""
