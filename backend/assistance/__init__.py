"""Help in the street: called, acknowledged, arrived, closed (R.27, R.39)."""
