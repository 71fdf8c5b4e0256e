"""Bring the database of a house to rest before a figure is taken.

A bench writes in minutes what comes over years, and PostgreSQL is busy with it for minutes more: it clears dead rows
away and writes pages to the disk when it likes.
"""

from pathlib import Path

import asyncpg


async def bring_to_rest(data_dir: Path, sockets: str) -> None:
    """Clear dead rows away, and write out what is in memory, as the superuser of an embedded PostgreSQL.

    `sockets`: the folder of its socket.
    """
    password = (data_dir / "postgres" / "superuser.password").read_text(encoding="utf-8")
    connection = await asyncpg.connect(
        host=sockets, user="postgres", database="fujing", password=password, command_timeout=3600
    )
    try:
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
