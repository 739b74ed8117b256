"""The operator as a process of this machine: what it uses, and what it says of itself."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from hack.stage.operators import COMMAND

START_SECONDS = 120.0
STOP_SECONDS = 30.0
_READ = ("bullpen_api_requests", "bullpen_sweep_lag", "bullpen_redis_round_trip", "bullpen_turn_errors")
"""The rest, some forty lines for each pool, would take longer to parse than it takes to write."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """What the operator counted: samples by name, then by the values of their labels."""

    samples: dict[str, dict[tuple[str, ...], float]]
    seconds: float
    mebibytes: float

    def total(self, name: str) -> float:
        return sum(self.samples.get(name, {}).values())

    def since(self, before: Scrape, name: str) -> float:
        """By how much all samples of a name have grown together."""
        return self.total(name) - before.total(name)

    def quantile_since(self, before: Scrape, name: str, share: float) -> float:
        """Of what a histogram counted meanwhile; linear within a bucket, as Prometheus' histogram_quantile."""
        earlier = before.samples.get(f"{name}_bucket", {})
        counts = sorted(
            (float(labels[-1]), value - earlier.get(labels, 0.0))
            for labels, value in self.samples[f"{name}_bucket"].items()
        )
        wanted, low, below = share * counts[-1][1], 0.0, 0.0
        for bound, count in counts:
            if count >= wanted and count > below:
                return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below)
            low, below = bound, count
        return 0.0


class Operator:
    """One operator, for the pools of a namespace, in which it also keeps its Lease."""

    def __init__(self, kubeconfig: Path, namespace: str, log: Path) -> None:
        self._port = _free_port()
        self._log = log
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "WATCH_NAMESPACE": namespace,
            "POD_NAMESPACE": namespace,
            "POD_NAME": "bullpen-operator-0",
            "HTTP_PORT": str(self._port),
            "LOG_FORMAT": "text",
        }
        self.started = time.monotonic()
        with log.open("ab") as said:
            self._process = subprocess.Popen([COMMAND], env=environment, stdin=subprocess.DEVNULL, stderr=said)
        self.usage = psutil.Process(self._process.pid)

    def check(self) -> None:
        """Raises SystemExit when it has ended, with what it said last."""
        if self._process.poll() is not None:
            raise SystemExit(f"the operator ended with {self._process.returncode}: {self._said()}")

    def scrape(self) -> Scrape:
        """As Prometheus does it."""
        begun = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        taken = time.monotonic() - begun
        lines = [line for line in text.splitlines() if line.removeprefix("# TYPE ").startswith(_READ)]
        samples: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families("\n".join([*lines, ""])):
            for sample in family.samples:
                samples.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
        return Scrape(samples, taken, len(text) / 2**20)

    def cpu_seconds(self) -> float:
        used = self.usage.cpu_times()
        return used.user + used.system

    def mebibytes(self) -> float:
        return float(self.usage.memory_info().rss) / 2**20

    def ports_to(self, port: int) -> set[int]:
        """Its own ends of its connections to a port."""
        return {
            each.laddr.port for each in self.usage.net_connections("inet") if each.raddr and each.raddr.port == port
        }

    def await_ready(self) -> float:
        """Seconds from the start of the process to filled caches. Raises SystemExit."""
        while time.monotonic() - self.started < START_SECONDS:
            self.check()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=5):
                    return time.monotonic() - self.started
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"the operator was not ready within {START_SECONDS:g} s: {self._said()}")

    def _said(self) -> str:
        return "\n".join(self._log.read_text().splitlines()[-5:])

    def stop(self) -> float:
        """Seconds from SIGTERM to the end."""
        begun = time.monotonic()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return time.monotonic() - begun


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
