"""kubectl against one cluster and one namespace, never against whatever context happens to be current."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "hack/cluster"


class CommandFailed(Exception):
    """A command ended with another exit code than 0: the command, the code and what it said."""

    def __init__(self, command: list[str], done: subprocess.CompletedProcess[str]) -> None:
        self.done = done
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-20:])
        super().__init__(f"{' '.join(command)} ended with {done.returncode}: {said}")


def harness(*words: str) -> str:
    """What `hack/cluster` prints for these words.

    Raises:
        CommandFailed: the harness ended with another exit code than 0.
    """
    command = [sys.executable, str(CLUSTER), *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=3600)
    if done.returncode != 0:
        raise CommandFailed(command, done)
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Runs kubectl, and helm beside it, with one kubeconfig and namespace."""

    kubeconfig: str
    namespace: str
    kubectl: str = "kubectl"
    helm: str = "helm"

    @classmethod
    def connect(cls, namespace: str) -> Kubectl:
        """The cluster of `BULLPEN_KUBECONFIG`, else the one that `hack/cluster` keeps."""
        kubeconfig = os.environ.get("BULLPEN_KUBECONFIG") or harness("kubeconfig")
        return cls(kubeconfig, namespace, kubectl=harness("tool", "kubectl"), helm=harness("tool", "helm"))

    def within(self, namespace: str) -> Kubectl:
        return replace(self, namespace=namespace)

    @property
    def head(self) -> list[str]:
        return [self.kubectl, f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}"]

    def run(self, *words: str, stdin: str | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """One kubectl command; its exit code is the caller's to judge."""
        return subprocess.run([*self.head, *words], input=stdin or "", capture_output=True, text=True, timeout=timeout)

    def __call__(self, *words: str, stdin: str | None = None, timeout: float = 120) -> str:
        """One kubectl command that must succeed; what it printed.

        Raises:
            CommandFailed: it ended with another exit code than 0.
        """
        done = self.run(*words, stdin=stdin, timeout=timeout)
        if done.returncode != 0:
            raise CommandFailed(["kubectl", *words], done)
        return done.stdout

    def apply(self, manifest: str) -> str:
        return self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)

    def get(self, *words: str) -> Any:
        return json.loads(self("get", *words, "--output=json"))

    def install(self, release: str, chart: Path, *settings: str, timeout: float = 180) -> None:
        """Helm's install or upgrade, waiting until what it made is ready."""
        command = [self.helm, f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}"]
        command += ["upgrade", release, str(chart), "--install", "--create-namespace", "--wait"]
        command += [
            f"--timeout={timeout:.0f}s",
            *(word for setting in settings for word in ("--set", setting)),
        ]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout + 30)
        if done.returncode != 0:
            raise CommandFailed(command, done)

    @contextmanager
    def forward(self, target: str, port: int) -> Iterator[int]:
        """A local port that leads to a port of a Service or pod, as long as the block lasts."""
        command = [*self.head, "port-forward", target, f":{port}"]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            local = re.search(r"127\.0\.0\.1:(\d+)", line)
            if local is None:
                process.terminate()
                rest = process.communicate(timeout=10)[0]
                raise CommandFailed(
                    command, subprocess.CompletedProcess(command, process.returncode or 1, line + rest, "")
                )
            yield int(local[1])
        finally:
            process.terminate()
            process.communicate(timeout=10)


def until(look: Callable[[], T | None], what: str, *, within: float, every: float = 0.5) -> T:
    """What `look` gives once it is neither None nor False, asked again and again.

    Raises:
        TimeoutError: that did not happen within the given seconds.
    """
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen is not None and seen is not False:
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within:.0f} s for {what}")
        time.sleep(every)
