"""Hours: what is worked in a month, and time off in lieu for it (R.25)."""
