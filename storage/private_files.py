"""Files and directories for their owner alone: secrets, keys, and what says which process runs where."""

import os
import secrets
from pathlib import Path


def make_private(directory: Path) -> Path:
    """The directory, for its owner only."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    return directory


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file for its owner only, whole or not at all; one that is there stands, unless it is to be replaced."""
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
