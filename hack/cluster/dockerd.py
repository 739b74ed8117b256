"""A Docker engine of our own, for machines where none answers: started detached, found again by its pidfile, repaired, removed.

Everything it writes lies in the cache directory: images stay there between clusters, run-time state (`exec`) does not outlive the daemon.
"""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import netfilter
import processes
from places import HARNESS, Places
from steps import HarnessError, Steps, ask

CAP_SYS_RESOURCE = 24  # linux/capability.h
SOCKET_PATH_LIMIT = 107  # bytes, sun_path of unix(7) without its final zero
CGROUPS = Path("/sys/fs/cgroup")


def has_capability(status: str, bit: int) -> bool:
    """Whether the text of /proc/PID/status grants a capability; a text without the line grants none."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> bit & 1)
    return False


@dataclass(frozen=True, slots=True)
class Dockerd:
    """The daemon in `<cache>/docker`."""

    home: Path

    @classmethod
    def of(cls, places: Places) -> "Dockerd":
        return cls(home=places.docker)

    @property
    def socket(self) -> Path:
        return self.home / "docker.sock"

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def exec(self) -> Path:
        return self.home / "exec"

    @property
    def pidfile(self) -> Path:
        return self.home / "dockerd.pid"

    @property
    def log(self) -> Path:
        return self.home / "dockerd.log"

    @property
    def forward_policy(self) -> Path:
        """The policy the FORWARD chain had before the daemon set it to DROP."""
        return self.home / "forward-policy"

    def pid(self) -> int | None:
        """The running daemon's pid, when the pidfile's process really is our dockerd."""
        pid = processes.pid_in(self.pidfile)
        return (
            pid
            if pid is not None
            and processes.is_ours(processes.command_line(pid), program="dockerd", directory=self.home)
            else None
        )

    def answers(self) -> bool:
        return self.socket.exists() and ask(
            ["docker", "info", "--format", "{{.ID}}"], env={"DOCKER_HOST": self.host}
        ) not in (None, "")

    def left_anything(self) -> bool:
        """Whether a daemon of ours that does not run any more left run-time state: it was killed, or the machine was."""
        return self.pid() is None and (
            self.pidfile.exists() or self.exec.exists() or self.forward_policy.exists()
        )

    def command(self, status: str) -> list[str]:
        """The daemon's command line, given the text of /proc/self/status."""
        words = [
            "dockerd",
            "--host",
            self.host,
            "--data-root",
            str(self.data),
            "--exec-root",
            str(self.exec),
            "--pidfile",
            str(self.pidfile),
        ]
        words += ["--log-level", "warn", "--shutdown-timeout", "10"]
        if not has_capability(status, CAP_SYS_RESOURCE):
            # `--privileged` asks for every capability and runc refuses one that the host's root does not have.
            words += [
                "--add-runtime",
                f"nosysres={self.home / 'runc-without-sys-resource'}",
                "--default-runtime",
                "nosysres",
            ]
        return words

    def start(self, steps: Steps) -> None:
        """Start the daemon and wait until it answers; clears away first what a killed one left. Raises HarnessError."""
        longest = max(
            len(os.fsencode(self.socket)), len(os.fsencode(self.exec / "containerd/containerd-debug.sock"))
        )
        if longest > SOCKET_PATH_LIMIT:
            raise HarnessError(
                f"the cache directory's path is too long for the Docker engine's sockets: {self.home}; set XDG_CACHE_HOME to a shorter one"
            )
        with steps.step("starting a Docker engine of our own", "3 s"):
            self.clear(steps)
            self.home.mkdir(parents=True, exist_ok=True)
            wrapper = self.home / "runc-without-sys-resource"
            shutil.copyfile(HARNESS / "node" / wrapper.name, wrapper)
            wrapper.chmod(0o755)
            if not self.forward_policy.exists():
                self.forward_policy.write_text(netfilter.forward_policy())
            with self.log.open("ab") as log:
                daemon = subprocess.Popen(
                    self.command(Path("/proc/self/status").read_text()),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    start_new_session=True,
                )
            deadline = time.monotonic() + 60
            while not self.answers():
                if daemon.poll() is not None or time.monotonic() > deadline:
                    processes.end([daemon.pid], with_signal=signal.SIGKILL, within=5)
                    tail = "".join(
                        f"\n  | {line}" for line in self.log.read_text(errors="replace").splitlines()[-15:]
                    )
                    raise HarnessError(f"dockerd does not come up; the last lines of {self.log}:{tail}")
                time.sleep(0.1)

    def stop(self, steps: Steps) -> None:
        """Stop the daemon and remove all it made but its images: processes, mounts, cgroups, bridge, packet filter rules."""
        pid = self.pid()
        if pid is not None and not processes.end([pid], with_signal=signal.SIGTERM, within=40):
            processes.end([pid], with_signal=signal.SIGKILL, within=5)
        self.clear(steps)
        netfilter.remove_docker(self.forward_policy.read_text() if self.forward_policy.exists() else "")
        self.forward_policy.unlink(missing_ok=True)

    def clear(self, steps: Steps) -> None:
        """Remove the run-time leftovers of a daemon that does not run any more, its orphaned containers' processes first.

        Without this a kill -9 or a reboot leaves: a pidfile whose number may be another process by now (dockerd refuses to start, and would even
        end that process when it is named by containerd's pidfile), node processes without a parent that hold the ports, mounts and cgroups.
        """
        if self.pid() is not None:
            return
        containers = self.data / "containers"
        ids = [entry.name for entry in containers.iterdir()] if containers.is_dir() else []
        left = set(processes.of_directory(self.exec)) | (set(processes.of_containers(ids)) if ids else set())
        if left:
            steps.say(f"  ending {len(left)} processes that a killed Docker engine of ours left")
            if not processes.end(left, with_signal=signal.SIGKILL, within=20):
                raise HarnessError(
                    f"processes {sorted(left)} of a killed Docker engine of ours do not end; reboot the machine or end them by hand"
                )
        self.pidfile.unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)
        _unmount_below(self.home)
        _remove_cgroups(ids)
        shutil.rmtree(self.exec, ignore_errors=True)


def mounts_below(directory: Path, mounts: str) -> list[str]:
    """The mount points below a directory in the text of /proc/self/mounts, innermost first."""
    prefix = f"{directory}/"
    points = [line.split()[1].replace("\\040", " ") for line in mounts.splitlines() if line]
    return sorted((point for point in points if point.startswith(prefix)), key=len, reverse=True)


def _unmount_below(directory: Path) -> None:
    for point in mounts_below(directory, Path("/proc/self/mounts").read_text()):
        ask(["umount", "--lazy", point])


def _remove_cgroups(ids: list[str]) -> None:
    """Remove the empty control groups of dead containers: a node started again would find its predecessor's inside its own."""
    for parent in [*CGROUPS.glob("*/docker"), *CGROUPS.glob("docker")]:
        for container in ids:
            for directory, _, _ in os.walk(parent / container, topdown=False):
                _rmdir(Path(directory))
        _rmdir(parent)


def _rmdir(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        return  # in use, or gone: a cgroup that still has processes or children is not ours to force
