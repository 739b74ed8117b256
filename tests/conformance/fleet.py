"""Jobs of every kind for a mixed fleet, in the words of a JavaScript producer, and how often each has to run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.conformance.sides import QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable

FOREVER_MS: Final = 600_000
OF_A_KIND: Final = 600
FLOWS: Final = 170
CHILDREN: Final = 3

# What is added to the data, and the options; `n` is the number of the job.
KINDS: Final[tuple[Callable[[int], tuple[dict[str, Any], dict[str, Any]]], ...]] = (
    lambda _: ({}, {}),
    lambda n: ({}, {"priority": n % 7 + 1}),
    lambda _: ({}, {"lifo": True}),
    lambda n: ({}, {"delay": n % 2000 + 1}),
    lambda n: ({}, {"delay": n % 500 + 1, "priority": n % 3 + 1}),
    lambda _: ({"fails": True}, {"attempts": 2}),
    lambda n: ({"fails": True}, {"attempts": 2, "backoff": {"type": "fixed", "delay": n % 50 + 1}, "priority": n % 2}),
    lambda _: ({"reports": True}, {"keepLogs": 1}),
    lambda _: ({"text": "ü 日本 🐂", "nested": {"a": [1, None]}}, {"removeOnComplete": True}),
    lambda n: ({}, {"deduplication": {"id": f"film-{n}", "ttl": FOREVER_MS}}),
)


@dataclass
class Load:
    """What one producer adds."""

    producer: str
    jobs: list[dict[str, Any]] = field(default_factory=list)
    flows: list[dict[str, Any]] = field(default_factory=list)
    runs: Counter[str] = field(default_factory=Counter)
    removed: int = 0

    def __post_init__(self) -> None:
        for n in range(OF_A_KIND * len(KINDS)):
            data, opts = KINDS[n % len(KINDS)](n)
            label = f"{self.producer}-{n}"
            opts = opts | ({"jobId": label} if n % 3 == 0 else {})
            if "deduplication" in opts:
                opts["deduplication"] |= {"id": f"{self.producer}-{opts['deduplication']['id']}"}
            self.jobs.append({"name": "paint", "data": {"label": label, **data}, "opts": opts})
            self.runs[label] = opts.get("attempts", 1)
            self.removed += "removeOnComplete" in opts
            if "deduplication" in opts:  # discarded: its first one owns the id as long as the test runs
                again = {"deduplication": opts["deduplication"]}
                self.jobs.append({"name": "paint", "data": {"label": f"{label}-again"}, "opts": again})
        for n in range(FLOWS):
            children = [self._node(f"{self.producer}-flow-{n}-{child}", child == 1) for child in range(CHILDREN)]
            parent = self._node(f"{self.producer}-flow-{n}", n % 2 == 0, priority=n % 4)
            self.flows.append({**parent, "children": children})

    def _node(self, label: str, fails: bool, **opts: Any) -> dict[str, Any]:
        self.runs[label] = 2 if fails else 1
        data = {"label": label, "fails": fails}
        return {"name": "paint", "queueName": QUEUE, "data": data, "opts": {"jobId": label, "attempts": 2, **opts}}
