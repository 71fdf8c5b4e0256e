"""Watching footage: never without a purpose, never unseen."""
