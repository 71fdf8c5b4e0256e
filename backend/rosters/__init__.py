"""Planned shifts."""
