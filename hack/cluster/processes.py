"""Which processes are ours, read from /proc: by what they were called with, and by the container they live in."""

import os
import signal
import time
from collections.abc import Collection, Iterator
from pathlib import Path

PROC = Path("/proc")
ENGINE_PROGRAMS = frozenset({"dockerd", "containerd", "containerd-shim-runc-v2"})


def command_line(pid: int) -> list[str]:
    """The words a process was started with; empty when it is gone, a zombie or a kernel thread."""
    try:
        return [
            word.decode(errors="replace") for word in (PROC / str(pid) / "cmdline").read_bytes().split(b"\0") if word
        ]
    except OSError:
        return []


def pid_in(file: Path) -> int | None:
    """The pid a pidfile names; None when the file is missing, cut off or not a number."""
    try:
        return int(file.read_text().strip())
    except (OSError, ValueError):
        return None


def is_ours(words: list[str], *, program: str, directory: Path) -> bool:
    """Whether a command line is `program` at work in `directory`: a recycled pid is somebody else's process."""
    return bool(words) and Path(words[0]).name == program and any(str(directory) in word for word in words[1:])


def of_directory(directory: Path) -> set[int]:
    """The engine's processes that were started with this directory on their command line."""
    return {
        pid
        for pid in _every_pid()
        if any(is_ours(command_line(pid), program=program, directory=directory) for program in ENGINE_PROGRAMS)
    }


def of_program(program: str) -> set[int]:
    """The processes of a program, whoever started them."""
    return {pid for pid in _every_pid() if Path((command_line(pid) or [""])[0]).name == program}


def of_containers(ids: Collection[str]) -> set[int]:
    """Every process in the control groups of these containers, whoever its parent is by now."""
    return {pid for pid in _every_pid() if any(container in _groups(pid) for container in ids)}


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end(pids: Collection[int], *, with_signal: signal.Signals, within: float) -> bool:
    """Send the signal and wait up to `within` seconds; True when all are gone."""
    for pid in pids:
        try:
            os.kill(pid, with_signal)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + within
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _every_pid() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def _groups(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cgroup").read_text()
    except OSError:
        return ""
