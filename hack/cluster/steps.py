"""Saying what is done and how long it usually takes, and running the commands that do it.

Narration goes to standard error: standard output carries only what a script asked for (`kubeconfig`, `tool`).
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hack.cluster.places import Places

LOGS_KEPT = 20
TAIL = 15  # lines of a log that are shown when a command fails


class HarnessError(Exception):
    """One sentence for the person at the terminal: what is wrong, why, and how to get on."""


class CommandFailed(HarnessError):
    """A command ended with a non-zero code or ran out of time."""


def span(seconds: float) -> str:
    """Seconds as a person says them: `0.4 s`, `12 s`, `3 min 20 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@dataclass(slots=True)
class Steps:
    """The narrator of one run of the harness, with its log file and the locks it holds."""

    places: Places
    log: Path
    _held: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, places: Places, command: str) -> "Steps":
        """The narrator of a command, with a log of its own; raises HarnessError where there can be no cache."""
        try:
            places.logs.mkdir(parents=True, exist_ok=True)
            for old in sorted(places.logs.glob("*.log"))[:-LOGS_KEPT]:
                old.unlink(missing_ok=True)
        except OSError as error:
            raise HarnessError(
                f"the cache directory {places.root} cannot be written to: {error.strerror}; "
                "set XDG_CACHE_HOME to one that can"
            ) from error
        return cls(places=places, log=places.logs / f"{time.strftime('%Y%m%d-%H%M%S')}-{command}-{os.getpid()}.log")

    def say(self, line: str) -> None:
        print(f"cluster: {line}", file=sys.stderr, flush=True)

    @contextmanager
    def step(self, doing: str, usually: str) -> Iterator[None]:
        """One line before, with the usual duration; one line after, with the real one."""
        self.say(f"{doing} (usually {usually}) …")
        start = time.monotonic()
        yield
        self.say(f"  done in {span(time.monotonic() - start)}")

    @contextmanager
    def lock(self, noun: str) -> Iterator[None]:
        """Hold the lock of a noun; a second harness waits here and says so. Nesting: cluster → engine → tools → images.

        The commands we run inherit the lock: when the harness alone is killed, it stays taken for as long as what the
        harness started is still at work.
        """
        if noun in self._held:
            yield
            return
        path = self.places.lock(noun)
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 64, 0).decode(errors="replace").strip() or "unknown"
                self.say(f"waiting for pid {holder}, or a command it started, to be done with the {noun} …")
                fcntl.flock(fd, fcntl.LOCK_EX)
            os.ftruncate(fd, 0)
            os.pwrite(fd, str(os.getpid()).encode(), 0)
            self._held[noun] = fd
            yield
        finally:
            self._held.pop(noun, None)
            os.close(fd)

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        timeout: float,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
    ) -> None:
        """Run a command with its output in the log; `timeout` in seconds. Raises CommandFailed with its last lines."""
        words = [str(word) for word in argv]
        with self.log.open("ab") as out:
            out.write(f"--- {' '.join(words)}\n".encode())
            out.flush()
            begin = out.tell()
            code = self._wait(words, timeout=timeout, env=env, cwd=cwd, stdin=stdin, out=out)
        if code != 0:
            raise CommandFailed(self._failure(words, begin=begin, code=code, timeout=timeout))

    def _wait(
        self,
        words: list[str],
        *,
        timeout: float,
        env: Mapping[str, str] | None,
        cwd: Path | None,
        stdin: bytes | None,
        out: IO[bytes],
    ) -> int | None:
        """The exit code, None when time ran out. The command's process group ends whole, also when interrupted."""
        with subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=out,
            stderr=out,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
            pass_fds=tuple(self._held.values()),
        ) as process:
            try:
                process.communicate(stdin, timeout=timeout)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                if isinstance(error, subprocess.TimeoutExpired):
                    return None
                raise
            return process.returncode

    def _failure(self, words: list[str], *, begin: int, code: int | None, timeout: float) -> str:
        with self.log.open("rb") as log:
            log.seek(begin)
            lines = log.read().decode(errors="replace").splitlines()
        short = " ".join(words[:6]) + (" …" if len(words) > 6 else "")
        how = f"ran longer than {span(timeout)}" if code is None else f"ended with code {code}"
        tail = "".join(f"\n  | {line}" for line in lines[-TAIL:])
        return f"`{short}` {how}; all it said is in {self.log}, the last lines:{tail}"


def ask(argv: Sequence[str | Path], *, timeout: float = 20, env: Mapping[str, str] | None = None) -> str | None:
    """What a command prints, stripped; None when it does not exist, fails or takes longer than `timeout` seconds."""
    words = [str(word) for word in argv]
    full = {**os.environ, **(env or {})}
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, env=full, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None
