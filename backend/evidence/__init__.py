"""Footage and papers: declared, received in parts by the store itself, sealed, and receipted (R.32)."""
