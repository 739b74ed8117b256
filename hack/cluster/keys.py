"""Hash keys: what a cached thing was made from, so that only a changed source means a new thing."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def key_of(*parts: str) -> str:
    """Twelve hexadecimal digits of the parts; the parts' borders count."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:12]


def key_of_files(files: Iterable[Path], *parts: str) -> str:
    """A key of the files' names and contents and further parts; their places and times do not count."""
    named: list[str] = []
    for file in sorted(files, key=lambda file: file.name):
        named += [file.name, hashlib.sha256(file.read_bytes()).hexdigest()]
    return key_of(*named, *parts)
