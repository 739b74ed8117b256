"""What Debian gives: packages for this machine, and minimal root file systems that become base images."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from hack.cluster.steps import HarnessError, Steps

APT_SECONDS = 900


def can_install() -> bool:
    """Whether we may and can install Debian packages."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(steps: Steps, program: str, packages: Sequence[str], *, why: str) -> None:
    """Install packages unless `program` is on the PATH; raises HarnessError where we may not."""
    if shutil.which(program) is not None:
        return
    names = " ".join(packages)
    if not can_install():
        raise HarnessError(
            f"`{program}` is missing, which is needed {why}; install it (on Debian, as root: apt-get install {names})"
        )
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    with steps.step(f"installing the Debian packages {names}", "20 s"):
        # Another apt-get may be at work: wait for it instead of failing.
        patient = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "--quiet")
        steps.run([*patient, "update"], timeout=APT_SECONDS, env=env)
        words = [*patient, "install", "--yes", "--no-install-recommends", *packages]
        steps.run(words, timeout=APT_SECONDS, env=env)


def bootstrap(steps: Steps, suite: str, packages: Sequence[str], target: Path, *, hooks: Sequence[str] = ()) -> None:
    """Write a minimal root file system as a tar archive; `hooks` are mmdebstrap's customize hooks, run last."""
    install(steps, "mmdebstrap", ["mmdebstrap"], why="to make base images without an image registry")
    words: list[str | Path] = ["mmdebstrap", "--variant=minbase", "--quiet", f"--include={','.join(packages)}"]
    words += [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale", "info")]
    words += [f"--customize-hook={hook}" for hook in hooks]
    # The root directory grows next to the archive: there the next run finds and removes what a killed one left.
    steps.run([*words, suite, target], timeout=APT_SECONDS, env={"TMPDIR": str(target.parent)})
