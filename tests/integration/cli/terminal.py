"""The command in a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.integration.worker.house import EXAMPLES, PATIENCE, environment


def hearing_interrupts() -> None:
    """Tests that run in the background ignore SIGINT, and what they start would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def in_terminal(
    arguments: Sequence[str], url: str, *, answer: str = "", until: str = "", width: int = 100
) -> tuple[int, str]:
    """Its exit code and what was to be seen; `answer` is typed once it asks, Ctrl-C once `until` is to be seen."""
    ours, theirs = pty.openpty()
    variables = environment(url, COLUMNS=str(width), LINES="40", TERM="xterm")
    command = [sys.executable, "-m", "bullpen.cli", *arguments]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=variables,
        cwd=EXAMPLES,
        start_new_session=True,
        preexec_fn=hearing_interrupts,
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            assert time.monotonic() < deadline, seen.decode(errors="replace")
            if select.select([ours], [], [], 0.05)[0]:
                try:
                    part = os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
                if not part:
                    break
                seen += part
            if answer and b"?" in seen:
                os.write(ours, answer.encode())
                answer = ""
            if until and until.encode() in seen:
                process.send_signal(signal.SIGINT)
                until = ""
        return process.wait(PATIENCE), seen.decode(errors="replace")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
