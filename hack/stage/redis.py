"""A Redis in the cluster, one Deployment of the stage."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from hack.stage.kubectl import Kubectl, until

MANIFEST = Path(__file__).parent / "manifests/redis.yaml"
IMAGE = "bullpen/redis:dev"
CLI = 'REDISCLI_AUTH="$PASSWORD" redis-cli '


@dataclass(frozen=True, slots=True)
class StagedRedis:
    """A Service and Deployment of this name; its URL is in the Secret `bullpen-<name>`."""

    kubectl: Kubectl
    name: str = "redis"

    def open(self) -> None:
        """Start it; safe to repeat: it keeps its password and its data."""
        if self.kubectl.run("get", "secret", f"bullpen-{self.name}").returncode != 0:
            values = {"name": self.name, "password": secrets.token_urlsafe(12), "image": IMAGE}
            self.kubectl.apply(Template(MANIFEST.read_text()).substitute(values))
        else:
            self._return()  # a test that was cut short may have left it away
        self.kubectl("rollout", "status", f"deployment/{self.name}", "--timeout=120s", timeout=130)

    @property
    def url(self) -> str:
        """The URL under which the namespace's pods reach it."""
        template = "--output=go-template={{.data.url | base64decode}}"
        return self.kubectl("get", "secret", f"bullpen-{self.name}", template)

    @contextmanager
    def reached(self) -> Iterator[str]:
        """A URL under which this machine reaches it, as long as the block lasts."""
        with self.kubectl.forward(f"service/{self.name}", 6379) as port:
            yield self.url.replace(f"{self.name}:6379", f"127.0.0.1:{port}")

    @contextmanager
    def reached_directly(self) -> Iterator[str]:
        """The same without the API server, by a port of the nodes: only where this machine has a route to them."""
        service = f"{self.name}-direct"
        expose = ("expose", f"deployment/{self.name}", f"--name={service}", "--type=NodePort", "--port=6379")
        self.kubectl(*expose)
        try:
            port = self.kubectl("get", "service", service, "--output=jsonpath={.spec.ports[0].nodePort}")
            where = "--output=jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
            yield self.url.replace(f"{self.name}:6379", f"{self.kubectl('get', 'nodes', where)}:{port}")
        finally:
            self.kubectl("delete", "service", service)

    def flush(self) -> None:
        self._run(CLI + "FLUSHALL")

    def go_away(self) -> None:
        """Save and end it; it stays away until `come_back`."""
        # The connection to the pod breaks with the server, so the exit code says nothing.
        self.kubectl.run("exec", f"deployment/{self.name}", "--", "sh", "-c", f"touch /data/away; {CLI} SHUTDOWN SAVE")

    def come_back(self) -> None:
        # Its container was just ended, and there is none until the kubelet has started the next.
        until(self._return, f"a container of {self.name}", within=60)

    def _return(self) -> bool:
        done = self.kubectl.run("exec", f"deployment/{self.name}", "--", "rm", "-f", "/data/away")
        return done.returncode == 0

    def _run(self, script: str) -> None:
        self.kubectl("exec", f"deployment/{self.name}", "--", "sh", "-c", script)
