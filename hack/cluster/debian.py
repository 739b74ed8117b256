"""What Debian gives: packages for this machine, and minimal root file systems that become base images."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from steps import HarnessError, Steps

APT_SECONDS = 900


def can_install() -> bool:
    """Whether we may and can install Debian packages."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(steps: Steps, program: str, packages: Sequence[str], *, why: str) -> None:
    """Install packages unless `program` is on the PATH; raises HarnessError where only an administrator of a Debian machine could."""
    if shutil.which(program) is not None:
        return
    if not can_install():
        raise HarnessError(
            f"`{program}` is missing, which is needed {why}; install it (on Debian, as root: apt-get install {' '.join(packages)})"
        )
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    with steps.step(f"installing the Debian packages {', '.join(packages)}", "20 s"):
        steps.run(["apt-get", "update", "--quiet"], timeout=APT_SECONDS, env=env)
        steps.run(
            ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages],
            timeout=APT_SECONDS,
            env=env,
        )


def bootstrap(
    steps: Steps, suite: str, packages: Sequence[str], target: Path, *, hooks: Sequence[str] = ()
) -> None:
    """Write a minimal root file system with these packages as a tar archive; `hooks` are mmdebstrap's customize hooks."""
    install(steps, "mmdebstrap", ["mmdebstrap"], why="to make base images without an image registry")
    slim = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale", "info")]
    steps.run(
        [
            "mmdebstrap",
            "--variant=minbase",
            "--quiet",
            f"--include={','.join(packages)}",
            *slim,
            *(f"--customize-hook={hook}" for hook in hooks),
            suite,
            target,
        ],
        timeout=APT_SECONDS,
    )
