"""Make this checkout ready to work in: system packages, the Python environment, the Node packages of tests and demo.

Standard library only, because it runs before anything is installed. Quick when everything is there: each step leaves
a stamp with the hash of what it was made from, and is repeated only when that changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
NODE_PROJECTS = ("tests/conformance/node", "examples/quickstart/producer")
POLICY = Path("/usr/sbin/policy-rc.d")


def stop(message: str) -> NoReturn:
    sys.exit(f"setup: {message}")


def step(what: str, usually: str, command: Sequence[str], *, cwd: Path = ROOT) -> None:
    """Run one command quietly; show what it printed only when it fails."""
    print(f"setup: {what} (usually {usually}) …", flush=True)
    began = time.monotonic()
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.stderr.write("\n".join((done.stdout + done.stderr).splitlines()[-30:]) + "\n")
        stop(f"{what} failed with exit code {done.returncode}; the last lines of its output are above")
    print(f"setup: {what}: done in {time.monotonic() - began:.0f} s", flush=True)


def fingerprint(files: Iterable[Path], *extra: str) -> str:
    digest = hashlib.sha256("\0".join(extra).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def is_current(stamp: Path, mark: str) -> bool:
    return stamp.is_file() and stamp.read_text() == mark


def python_environment() -> None:
    if sys.version_info < (3, 11):
        stop(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; run make with PYTHON=python3.11")
    stamp, lock = VENV / ".bullpen-lock", ROOT / "lock/dev.txt"
    # The editable install writes this folder's path into the environment, so a moved checkout makes a new one.
    mark = fingerprint([lock, ROOT / "pyproject.toml"], sys.version, str(ROOT))
    if is_current(stamp, mark):
        return
    pip = [str(VENV / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    step("Python environment in .venv", "5 s", [sys.executable, "-m", "venv", "--clear", str(VENV)])
    step("Python packages of lock/dev.txt", "40 s", [*pip, "--require-hashes", "-r", str(lock)])
    step("bullpen itself, editable", "3 s", [*pip, "--no-deps", "--no-build-isolation", "-e", "."])
    stamp.write_text(mark)


def node_packages() -> None:
    for name in NODE_PROJECTS:
        project = ROOT / name
        stamp = project / "node_modules/.bullpen-lock"
        mark = fingerprint([project / "package-lock.json"])
        if not is_current(stamp, mark):
            step(f"Node packages of {name}", "10 s", ["npm", "ci", "--no-fund", "--no-audit"], cwd=project)
            stamp.write_text(mark)


def system_packages() -> None:
    """Install what tests and demo run against and this machine lacks, where we may: as root, on Debian."""
    wanted = {"redis-server": ["redis-server"], "node": ["nodejs", "npm"], "npm": ["npm"]}
    missing = {command: packages for command, packages in wanted.items() if not shutil.which(command)}
    if not missing:
        return
    names = sorted({package for packages in missing.values() for package in packages})
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        stop(f"tests and demo need {', '.join(missing)}: install {' '.join(names)} with your package manager")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    # Debian starts a server when it installs one. Ours are started by those who need them, on ports of their own.
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        step("Debian's package lists", "5 s", ["apt-get", "update", "--quiet"])
        step(f"Debian packages {' '.join(names)}", "20 s", ["apt-get", "install", "--yes", "--quiet", *names])
    finally:
        if ours:
            POLICY.unlink()


if __name__ == "__main__":
    system_packages()
    python_environment()
    node_packages()
