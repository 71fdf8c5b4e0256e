"""Views across features: timeline of a shift, lists of findings, handover, what expires; and what time changes."""
