"""The Docker engine the cluster lives in: the one this machine has, or one of our own."""

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import debian
from hack.cluster.dockerd import Dockerd
from hack.cluster.places import Places
from hack.cluster.steps import HarnessError, Steps, ask

PULL_SECONDS = 900

# What an engine of our own runs, and the Debian packages that have it.
PROGRAMS = {
    "docker": "docker.io",
    "dockerd": "docker.io",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
}


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine that answers; `own` is set when it is the daemon we started."""

    host: str
    own: Dockerd | None

    @property
    def env(self) -> Mapping[str, str]:
        """What commands need in their environment to talk to this engine; no BuildKit, which Debian's does not have."""
        return {"DOCKER_BUILDKIT": "0", **({"DOCKER_HOST": self.host} if self.own else {})}

    def ask(self, *words: str | Path, timeout: float = 20) -> str | None:
        """What `docker WORDS` prints; None when it fails."""
        return ask(["docker", *words], timeout=timeout, env=self.env)

    def run(self, steps: Steps, *words: str | Path, timeout: float = 120) -> None:
        """Run `docker WORDS`; raises CommandFailed."""
        steps.run(["docker", *words], timeout=timeout, env=self.env)

    def image_id(self, reference: str) -> str | None:
        return self.ask("image", "inspect", "--format", "{{.Id}}", reference)

    def pull(self, steps: Steps, reference: str) -> bool:
        """Whether the image could be pulled; where there is no registry to reach this is False after a moment."""
        words = ["docker", "pull", "--quiet", reference]
        return ask(words, timeout=PULL_SECONDS, env=self.env) is not None


def find(places: Places) -> Engine | None:
    """The engine that answers now, ours first; starts nothing."""
    if shutil.which("docker") is None:
        return None
    own = Dockerd.of(places)
    if own.pid() is not None and own.answers():
        return Engine(host=own.host, own=own)
    if ask(["docker", "info", "--format", "{{.ID}}"]) not in (None, ""):
        endpoint = ("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
        return Engine(host=os.environ.get("DOCKER_HOST") or ask(endpoint) or "the default socket", own=None)
    return None


def ensure(steps: Steps) -> Engine:
    """An engine that answers, started if need be; raises HarnessError with what is missing."""
    found = find(steps.places)
    if found is not None:
        return found
    with steps.lock("engine"):
        found = find(steps.places)
        if found is not None:
            return found
        if platform.system() != "Linux" or os.geteuid() != 0:
            raise HarnessError(
                "no Docker engine answers (`docker info`), and only root on Linux can start one: "
                "start Docker, or run this as root on a Debian machine with Go"
            )
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            packages = sorted({PROGRAMS[program] for program in missing})
            debian.install(steps, missing[0], packages, why="because no Docker engine answers (`docker info`)")
        found = find(steps.places)  # where a service manager runs, the package has started one
        if found is not None:
            return found
        own = Dockerd.of(steps.places)
        own.start(steps)
        return Engine(host=own.host, own=own)
