"""The client of a device: calls, its key, its outbox, a docking station's ingest."""
