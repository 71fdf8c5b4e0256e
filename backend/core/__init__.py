"""What every feature uses: database, journal, the write path, findings, visibility, paging."""
