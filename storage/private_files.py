"""Files and directories that only their owner can read: secrets, keys, and the pid and port files of servers."""

import os
import secrets
from pathlib import Path


def make_private(directory: Path) -> Path:
    """Make the directory, readable by its owner only (0700)."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    return directory


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file for its owner only (0600), whole or not at all; an existing file stays unless `replace`.

    A directory that is there already keeps its mode: it may be the caller's own, or /tmp.
    """
    if not path.parent.is_dir():
        make_private(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if replace:
        return os.replace(draft, path)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return None
