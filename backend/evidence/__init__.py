"""Footage and papers: declare them, upload them in parts to the store, seal them and sign a receipt (R.32)."""
