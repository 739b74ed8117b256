"""A Docker engine of our own, for machines where none answers.

Everything it writes lies in the cache directory: its images stay there between clusters, its run-time state (`exec`)
does not outlive it.
"""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import netfilter, processes, residue
from hack.cluster.places import HARNESS, Places
from hack.cluster.steps import TAIL, HarnessError, Steps, ask

CAP_SYS_RESOURCE = 24  # linux/capability.h
SOCKET_PATH_LIMIT = 107  # bytes; sun_path of unix(7) without its final zero
START_SECONDS = 60
STOP_SECONDS = 40


def has_capability(status: str, bit: int) -> bool:
    """Whether the text of /proc/PID/status grants a capability; a text without the line grants none."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> bit & 1)
    return False


@dataclass(frozen=True, slots=True)
class Dockerd:
    """The daemon whose files are in `<cache>/docker`: started detached, found again by its pidfile."""

    home: Path

    @classmethod
    def of(cls, places: Places) -> "Dockerd":
        return cls(home=places.docker)

    @property
    def host(self) -> str:
        """What DOCKER_HOST has to be."""
        return f"unix://{self._socket}"

    @property
    def _socket(self) -> Path:
        return self.home / "docker.sock"

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @property
    def _exec(self) -> Path:
        return self.home / "exec"

    @property
    def _pidfile(self) -> Path:
        return self.home / "dockerd.pid"

    @property
    def _log(self) -> Path:
        return self.home / "dockerd.log"

    @property
    def _forward_policy(self) -> Path:
        """The policy that the FORWARD chain had before the daemon set it to DROP."""
        return self.home / "forward-policy"

    @property
    def _runtime(self) -> Path:
        return self.home / "runc-without-sys-resource"

    def pid(self) -> int | None:
        """The running daemon's pid, when the pidfile's process really is our dockerd."""
        pid = processes.pid_in(self._pidfile)
        if pid is None or not processes.is_ours(processes.command_line(pid), program="dockerd", directory=self.home):
            return None
        return pid

    def answers(self) -> bool:
        words = ["docker", "info", "--format", "{{.ID}}"]
        return self._socket.exists() and ask(words, env={"DOCKER_HOST": self.host}) not in (None, "")

    def left_anything(self) -> bool:
        """Whether a daemon that runs no more left run-time state: it was killed, or the machine was."""
        return self.pid() is None and any(path.exists() for path in (self._pidfile, self._exec, self._forward_policy))

    def command(self, status: str) -> list[str]:
        """The daemon's command line, given the text of /proc/self/status."""
        words = ["dockerd", "--host", self.host, "--pidfile", str(self._pidfile), "--log-level", "warn"]
        words += ["--data-root", str(self._data), "--exec-root", str(self._exec), "--shutdown-timeout", "10"]
        if not has_capability(status, CAP_SYS_RESOURCE):
            # `--privileged` asks for every capability, and runc refuses one that the machine's root does not have.
            words += ["--add-runtime", f"nosysres={self._runtime}", "--default-runtime", "nosysres"]
        return words

    def start(self, steps: Steps) -> None:
        """Clear away what a killed daemon left, start one and wait until it answers; raises HarnessError."""
        longest = len(os.fsencode(self._exec / "containerd" / "containerd-debug.sock"))
        if longest > SOCKET_PATH_LIMIT:
            raise HarnessError(
                f"the path {self.home} is {longest - SOCKET_PATH_LIMIT} bytes too long for a Docker engine's sockets; "
                "set XDG_CACHE_HOME to a shorter one"
            )
        with steps.step("starting a Docker engine of our own", "2 s"):
            self.clear(steps)
            self.home.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(HARNESS / "node" / self._runtime.name, self._runtime)
            self._runtime.chmod(0o755)
            if not self._forward_policy.exists():
                self._forward_policy.write_text(netfilter.forward_policy())
            command = self.command(Path("/proc/self/status").read_text())
            with self._log.open("wb") as log:
                daemon = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
                )
            deadline = time.monotonic() + START_SECONDS
            while not self.answers():
                if daemon.poll() is not None or time.monotonic() > deadline:
                    processes.end([daemon.pid], with_signal=signal.SIGKILL, within=5)
                    tail = self._log.read_text(errors="replace").splitlines()[-TAIL:]
                    said = "".join(f"\n  | {line}" for line in tail)
                    raise HarnessError(f"dockerd does not come up; the last lines of {self._log}:{said}")
                time.sleep(0.1)

    def stop(self, steps: Steps) -> None:
        """Stop the daemon and remove all it made but its images: processes, mounts, cgroups, bridge, filter rules."""
        pid = self.pid()
        if pid is not None and not processes.end([pid], with_signal=signal.SIGTERM, within=STOP_SECONDS):
            processes.end([pid], with_signal=signal.SIGKILL, within=5)
        self.clear(steps)
        if not processes.of_program("dockerd"):  # another daemon, started since, works with the same rules and bridge
            netfilter.remove_docker(self._forward_policy.read_text() if self._forward_policy.exists() else "")
        self._forward_policy.unlink(missing_ok=True)

    def clear(self, steps: Steps) -> None:
        """Remove the run-time leftovers of a daemon that runs no more, its orphaned containers' processes first.

        A kill -9 or a reboot leaves a pidfile whose number may be another process's by now (dockerd would not start,
        and containerd's pidfile would even make it end that process), node processes that hold memory and ports without
        a parent, mounts and control groups. Raises HarnessError when the processes do not end.
        """
        if self.pid() is not None:
            return
        directory = self._data / "containers"
        ids = [entry.name for entry in directory.iterdir()] if directory.is_dir() else []
        left = processes.of_directory(self._exec) | processes.of_containers(ids)
        if left:
            steps.say(f"  ending {len(left)} processes that a killed Docker engine of ours left")
            if not processes.end(left, with_signal=signal.SIGKILL, within=20):
                raise HarnessError(
                    f"the processes {sorted(left)} of a killed Docker engine do not end; reboot the machine"
                )
        self._pidfile.unlink(missing_ok=True)
        self._socket.unlink(missing_ok=True)
        residue.unmount_below(self.home)
        residue.remove_cgroups(ids)
        shutil.rmtree(self._exec, ignore_errors=True)
