"""That the journal is as it was written: trees, checkpoints in locked storage, verification by whoever doubts it."""
