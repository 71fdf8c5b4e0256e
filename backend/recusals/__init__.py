"""Stepping aside where impartiality is in doubt (R.33)."""
