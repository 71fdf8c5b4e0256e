"""How long footage is kept: holds, disposal, and whether the store still has what the database says."""
