"""Fujing's house: one package per feature, imports run downward only (see docs/adr and the import contracts)."""
