"""Reviews: footage is viewed only for a stated purpose, and every viewing is in the journal."""
