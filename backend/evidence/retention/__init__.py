"""How long footage is kept: holds, disposal, and the comparison of the store with the database."""
