"""Hours worked, and time off for them."""
