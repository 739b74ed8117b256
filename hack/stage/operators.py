"""Operators as processes of this machine, replicas of one another, each behind a door of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.stage.door import Door, doors
from hack.stage.kubectl import until

COMMAND = Path(sys.executable).with_name("bullpen-operator")


@dataclass(frozen=True, slots=True)
class Operator:
    """One process, its door, and its log."""

    name: str
    process: subprocess.Popen[bytes]
    door: Door
    log: Path

    def says(self, words: str) -> bool:
        return words in self.log.read_text()

    def await_says(self, words: str, *, within: float = 60.0, every: float = 0.02) -> None:
        until(lambda: self.says(words), f"{self.name} to say {words!r}", within=within, every=every)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def await_end(self, *, within: float = 30.0) -> int:
        return self.process.wait(within)


@contextmanager
def operators(kubeconfig: str, namespace: str, folder: Path) -> Iterator[Callable[[str], Operator]]:
    """Starts operators by name, for the pools of one namespace, in which they also keep their Lease."""
    started: list[Operator] = []
    with doors(kubeconfig, folder) as open_door:

        def start(name: str) -> Operator:
            door, log = open_door(name), folder / f"{name}.log"
            environment = {
                **os.environ,
                "KUBECONFIG": str(door.kubeconfig),
                "WATCH_NAMESPACE": namespace,
                "POD_NAMESPACE": namespace,
                "POD_NAME": name,
                "LOG_FORMAT": "text",
                "HTTP_PORT": "0",
            }
            with log.open("wb") as stderr:
                process = subprocess.Popen([COMMAND], env=environment, stdin=subprocess.DEVNULL, stderr=stderr)
            operator = Operator(name, process, door, log)
            started.append(operator)
            return operator

        try:
            yield start
        finally:
            for operator in started:
                operator.process.kill()
                operator.process.wait(10)
