"""Who wrote when, by the API server's audit log: the writes of operators, and the terms of their Leases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

# As bullpen_operator.main.agent_of writes it.
_AGENT = re.compile(r"bullpen-operator/\S+ \((?P<identity>[^)]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A request that writes. Times are the API server's, epoch seconds: it took effect between the two."""

    identity: str
    what: str
    received: float
    answered: float
    status: int
    holder: str | None = None
    """Whom it makes the holder of the Lease; None when it is about something else."""

    @property
    def accepted(self) -> bool:
        return self.status < 300


@dataclass(frozen=True, slots=True)
class Term:
    """From when the write that made `holder` the holder arrived, until the one arrived that ended it."""

    holder: str
    since: float
    until: float


def parse(lines: Iterable[str]) -> list[Write]:
    """The operators' writes, in the order of their arrival; dry runs and what others wrote are left out."""
    writes = [write for line in lines if (write := _write(json.loads(line))) is not None]
    return sorted(writes, key=lambda write: write.received)


def terms(writes: Iterable[Write]) -> list[Term]:
    """Who held the one Lease that these writes are about; the last term is open."""
    found: list[Term] = []
    for write in writes:
        if not write.accepted or write.holder is None:
            continue
        if found and found[-1].holder == write.holder:
            continue
        if found:
            found[-1] = Term(found[-1].holder, found[-1].since, write.received)
        found.append(Term(write.holder, write.received, float("inf")))
    return found


def out_of_term(writes: Iterable[Write]) -> list[Write]:
    """What was taken of one who did not hold the Lease all the while from its arrival to its answer, and bids for
    somebody else. None: there were never two writers.
    """
    writes = list(writes)
    held = terms(writes)

    def holds(write: Write) -> bool:
        return any(t.holder == write.identity and t.since <= write.received and write.answered <= t.until for t in held)

    def wrong(write: Write) -> bool:
        return not holds(write) if write.holder is None else write.holder not in (write.identity, "")

    return [write for write in writes if write.accepted and wrong(write)]


def _write(entry: dict[str, object]) -> Write | None:
    agent = _AGENT.fullmatch(str(entry.get("userAgent", "")))
    if agent is None or entry["stage"] != "ResponseComplete" or "dryRun=" in str(entry["requestURI"]):
        return None
    response, target, request = (_dict(entry, key) for key in ("responseStatus", "objectRef", "requestObject"))
    names = ("resource", "subresource", "namespace", "name")
    return Write(
        identity=agent["identity"],
        what=f"{entry['verb']} {'/'.join(str(target[name]) for name in names if target.get(name))}",
        received=_seconds(entry["requestReceivedTimestamp"]),
        answered=_seconds(entry["stageTimestamp"]),
        status=int(str(response.get("code", 0))),
        holder=str(_dict(request, "spec").get("holderIdentity", "")) if target.get("resource") == "leases" else None,
    )


def _dict(of: dict[str, object], key: str) -> dict[str, object]:
    found = of.get(key)
    return found if isinstance(found, dict) else {}


def _seconds(timestamp: object) -> float:
    return datetime.fromisoformat(str(timestamp)).timestamp()
