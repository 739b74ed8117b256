"""Where the stages leave what they made, so that a stage that is run again finds it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path


def folder(title: str, settings: dict[str, object]) -> Path:
    """The directory of one video below VIDEO_DIR: the same for the same title and settings.

    It is read anew each time, since every worker has its own idea of where the shared volume is mounted.
    """
    mark = hashlib.sha256(json.dumps([title, settings], sort_keys=True).encode()).hexdigest()[:10]
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "video"
    return root() / f"{words}-{mark}"


def root() -> Path:
    return Path(os.environ.get("VIDEO_DIR") or "videos").resolve()


def made(path: Path, make: Callable[[Path], None]) -> bool:
    """Make a file unless it is there; True when it was made now.

    It appears whole or not at all: `make` writes to a name beside it, and a worker that is killed meanwhile leaves the
    real name free. Two workers that make it at the same time both succeed, with the same bytes.
    """
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".half-", suffix=path.suffix)
    os.close(number)
    half = Path(name)
    try:
        make(half)
        half.chmod(0o644)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return True
