"""A PostgreSQL and an S3 server out of wheels: for development, demonstrations and one station.

Guarantees: both end with the process that started them, keep their files to the account that runs them,
and answer nobody who has no password or key. Production names external servers instead.
"""

from storage.embedded.postgres import EmbeddedPostgres, PostgresAddress
from storage.embedded.processes import EmbeddedError
from storage.embedded.seaweed import EmbeddedS3, S3Address

__all__ = ["EmbeddedError", "EmbeddedPostgres", "EmbeddedS3", "PostgresAddress", "S3Address"]
