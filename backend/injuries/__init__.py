"""Hurt on duty: reported, recognised, and the costs advanced."""
