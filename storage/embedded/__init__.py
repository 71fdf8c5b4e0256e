"""A PostgreSQL and an S3 server from wheels, for development, demonstrations and a single station.

Guarantees: both end with the process that started them; only the account that runs them can read their files; they
refuse everyone without the password or key. Production uses external servers instead.
"""

from storage.embedded.postgres import EmbeddedPostgres, PostgresAddress
from storage.embedded.processes import EmbeddedError
from storage.embedded.seaweed import EmbeddedS3, S3Address

__all__ = ["EmbeddedError", "EmbeddedPostgres", "EmbeddedS3", "PostgresAddress", "S3Address"]
