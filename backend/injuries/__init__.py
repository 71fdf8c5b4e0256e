"""Injuries on duty: reported, recognised as work injuries, and their costs advanced (R.26)."""
