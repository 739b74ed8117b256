"""`bullpen serve --reload`: the worker as a child process, started anew when Python files change."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchfiles import PythonFilter, watch

from bullpen.runtime.settings import read_settings
from bullpen.serving.logs import configure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import FrameType

logger = logging.getLogger("bullpen.Reload")

_LOOK_MS: Final = 200
_MOST_NAMED: Final = 5


class Reloader:
    """Runs `bullpen serve` with the same arguments but `--reload`, over and over."""

    def __init__(
        self, arguments: Sequence[str], *, directory: str, log_format: str | None, log_level: str | None
    ) -> None:
        settings = read_settings()
        configure(form=log_format or settings.log_format, level=log_level or settings.log_level)
        self._command = [sys.executable, "-m", "bullpen.cli", *(each for each in arguments if each != "--reload")]
        self._directory = directory
        self._told = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Until SIGTERM or Ctrl-C; returns the exit code of the last worker."""
        before = {each: signal.signal(each, self._signal) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._run()
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
            if self._child is not None and self._child.poll() is None:
                self._child.kill()

    def _run(self) -> int:
        logger.info("Watching the Python files in %s", self._directory)
        code: int | None = None
        self._start()
        for changes in watch(
            self._directory,
            watch_filter=PythonFilter(),
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            stop_event=self._told,
            raise_interrupt=False,
        ):
            if changes and not self._told.is_set():
                logger.info("Changed: %s", _names((path for _change, path in changes), self._directory))
                self._end()
                if self._told.is_set():
                    break
                code = None
                self._start()
            elif code is None and self._child is not None and (code := self._child.poll()) is not None:
                logger.warning("The worker ended with %d: waiting for a change of a Python file", code)
        ended = self._child.wait() if self._child is not None else 0
        return ended if code is None else 0

    def _start(self) -> None:
        self._child = subprocess.Popen(self._command)  # noqa: S603 - this program, with the arguments it got

    def _end(self) -> None:
        """The worker drains as it does in a pod; a second signal makes it hurry."""
        if self._child is not None:
            if self._child.poll() is None:
                self._child.send_signal(signal.SIGTERM)
            self._child.wait()

    def _signal(self, number: int, _frame: FrameType | None) -> None:
        self._told.set()
        # A terminal sends Ctrl-C to the worker too, and a second signal would make it hand back what it runs.
        if self._child is not None and self._child.poll() is None and not (number == signal.SIGINT and _foreground()):
            self._child.send_signal(number)


def _foreground() -> bool:
    """Whether the signals of a terminal's keys come to this process and its children."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _names(paths: Iterable[str], directory: str) -> str:
    names = sorted({str(Path(path).relative_to(directory)) for path in paths})
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
