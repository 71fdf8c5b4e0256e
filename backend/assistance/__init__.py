"""Help in the street: called, acknowledged, arrived, closed."""
