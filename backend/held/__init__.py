"""Entries that wait or are quarantined, contradicting facts that a person rules on, and what device numbers tell."""
