"""What the kernel keeps of dead containers: mounts and control groups."""

import os
from collections.abc import Collection
from pathlib import Path

from hack.cluster.steps import ask

CGROUPS = Path("/sys/fs/cgroup")


def mounts_below(directory: Path, mounts: str) -> list[str]:
    """The mount points below a directory in the text of /proc/self/mounts, innermost first."""
    prefix = f"{directory}/"
    points = [line.split()[1].replace("\\040", " ") for line in mounts.splitlines() if line]
    return sorted((point for point in points if point.startswith(prefix)), key=len, reverse=True)


def unmount_below(directory: Path) -> None:
    for point in mounts_below(directory, Path("/proc/self/mounts").read_text()):
        ask(["umount", "--lazy", point])


def remove_cgroups(ids: Collection[str]) -> None:
    """Remove dead containers' empty control groups: a node started again would find its predecessor's in its own."""
    for parent in [*CGROUPS.glob("*/docker"), *CGROUPS.glob("docker")]:
        for container in ids:
            for directory, _, _ in os.walk(parent / container, topdown=False):
                _rmdir(Path(directory))
        _rmdir(parent)


def _rmdir(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        return  # in use or gone: a group that has processes or children is not ours to force
