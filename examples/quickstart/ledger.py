"""A witness outside Redis: one line for each start and each end of a job, in a file of this pod's own.

The demo and the cluster tests count a start without an end by the same pod as an interrupted job. Nothing is written
unless `LEDGER_DIR` names a directory. A line is `start|end <job id> <attempt> <pod> <unix time>`.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ledger:
    """Appends lines to `<directory>/<pod>.log`; without a directory it does nothing."""

    def __init__(self, directory: Path | None, pod: str) -> None:
        self._pod = pod
        self._file = None if directory is None else directory / f"{pod}.log"

    @classmethod
    def from_environment(cls) -> Ledger:
        """`LEDGER_DIR`, and `POD_NAME` or the host's name."""
        directory = os.environ.get("LEDGER_DIR")
        return cls(Path(directory) if directory else None, os.environ.get("POD_NAME") or socket.gethostname())

    @contextmanager
    def entry(self, job_id: str, attempt: int) -> Iterator[None]:
        """Note the start, and the end if the block returned or raised an error; a block that was cut off has no end."""
        self._append("start", job_id, attempt)
        try:
            yield
        except Exception:
            self._append("end", job_id, attempt)
            raise
        self._append("end", job_id, attempt)

    def _append(self, event: str, job_id: str, attempt: int) -> None:
        if self._file is None:
            return
        line = f"{event} {job_id} {attempt} {self._pod} {time.time():.3f}\n"
        # One write of one short line: O_APPEND keeps lines of several jobs apart.
        target = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(target, line.encode())
        finally:
            os.close(target)
