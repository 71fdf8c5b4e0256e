"""Assistance: calls for help in the street; called, acknowledged, arrived, closed."""
