"""Every write of a pool's status, as `kubectl get --watch` shows it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hack.stage.kubectl import Kubectl


class Watched:
    """The versions of one pool's status since the watch began, oldest first; those alike follow each other once."""

    def __init__(self) -> None:
        self.statuses: list[dict[str, Any]] = []

    def see(self, pool: dict[str, Any]) -> None:
        status = pool.get("status")
        if status and (not self.statuses or self.statuses[-1] != status):
            self.statuses.append(status)

    def story(self, kind: str) -> list[str]:
        """The status of a condition over time, without repetitions: ["False", "True"] has turned once."""
        story: list[str] = []
        for status in self.statuses:
            said = next((one["status"] for one in status["conditions"] if one["type"] == kind), "missing")
            if not story or story[-1] != said:
                story.append(said)
        return story


@contextmanager
def watched(kubectl: Kubectl, name: str) -> Iterator[Watched]:
    """Watches as long as the block lasts."""
    command = [*kubectl.head, "get", "workerpool", name, "--watch", "--output=json"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    seen = Watched()
    reader = threading.Thread(target=_read, args=(process, seen), name=f"watch {name}", daemon=True)
    reader.start()
    try:
        yield seen
    finally:
        process.terminate()
        process.wait(timeout=10)
        reader.join(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


def _read(process: subprocess.Popen[str], seen: Watched) -> None:
    """Objects come one after the other, each over many lines, the last of which is a lone brace."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.rstrip() == "}":
            seen.see(json.loads("".join(lines)))
            lines.clear()
