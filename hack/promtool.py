"""`promtool`, which checks and tests the chart's alerts: the one on the PATH, or that of Debian's package `prometheus`.

Only the program is taken out of the package, below the cache directory: installing it would start a Prometheus.
"""

import os
import shutil
import sys
from pathlib import Path

from hack.cluster.debian import APT_SECONDS, can_install
from hack.cluster.places import Places
from hack.cluster.steps import CommandFailed, HarnessError, Steps, ask

PACKAGE = "prometheus"
UNPACK_SECONDS = 120


def ensure(steps: Steps) -> Path:
    """The program's path; raises HarnessError where it is missing and there is no Debian to take it from."""
    found = shutil.which("promtool")
    if found is not None:
        return Path(found)
    program = steps.places.root / "promtool" / "promtool"
    if not program.exists():
        with steps.lock("promtool"):
            if not program.exists():  # another run may have been quicker
                with steps.step(f"promtool of Debian's package {PACKAGE}", "10 s"):
                    _make(steps, program)
    return program


def _make(steps: Steps, program: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise HarnessError("`promtool` is missing, which tests the alerts: install Prometheus (it is part of it)")
    work = steps.places.scratch / "promtool"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        _download(steps, work)
    except CommandFailed:
        if not can_install():
            raise
        # The package lists are missing or old, as in a fresh container.
        steps.run(["apt-get", "-o", "DPkg::Lock::Timeout=300", "--quiet", "update"], timeout=APT_SECONDS)
        _download(steps, work)
    (package,) = work.glob("*.deb")
    steps.run(["dpkg-deb", "--extract", package, work / "root"], timeout=UNPACK_SECONDS)
    made = work / "root/usr/bin/promtool"
    if ask([made, "--version"]) is None:
        raise HarnessError(f"promtool of {package.name} does not run here: install Prometheus for this machine")
    program.parent.mkdir(parents=True, exist_ok=True)
    made.rename(program)  # last, so that what is there is whole
    shutil.rmtree(work)


def _download(steps: Steps, work: Path) -> None:
    steps.run(["apt-get", "--quiet", "download", PACKAGE], timeout=APT_SECONDS, cwd=work)


def main() -> int:
    try:
        print(ensure(Steps.begin(Places.of(os.environ), "promtool")))
    except HarnessError as error:
        print(f"promtool: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
