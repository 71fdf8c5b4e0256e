"""Proof that the journal was not altered: Merkle trees, checkpoints in locked storage, verification."""
