"""What every feature stands on: database, journal, the write path, findings, visibility, paging."""
