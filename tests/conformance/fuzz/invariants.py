"""What holds in every queue after every operation (bullmq-protocol.md §11), told from a dump of the database."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LISTS: Final = ("wait", "paused", "active")
SORTED: Final = ("prioritized", "delayed", "waiting-children", "completed", "failed")
FINISHED: Final = frozenset({"completed", "failed"})


def violations(content: Mapping[str, Any]) -> list[str]:
    """Everything about the queue that must not be; `content` is a normalised dump without the queue's prefix."""
    places = Counter(_places(content))
    return [*_told_twice(places), *_homeless(content, places), *_strange_locks(content), *_lost_children(content)]


def sleeping(content: Mapping[str, Any]) -> list[str]:
    """Ready jobs of an unblocked queue that no marker tells of; to be asked after a fetch (§11 rule 2)."""
    meta = content.get("meta", {"value": {}})["value"]
    active = len(content.get("active", {"value": []})["value"])
    if "paused" in meta or ("concurrency" in meta and active >= int(meta["concurrency"])):
        return []
    ready = [*content.get("wait", {"value": []})["value"], *content.get("prioritized", {"value": {}})["value"]]
    if ready and "0" not in content.get("marker", {"value": {}})["value"]:
        return [f"{', '.join(ready)} ready, and no marker wakes a worker"]
    return []


def _places(content: Mapping[str, Any]) -> Iterator[str]:
    for state in (*LISTS, *SORTED):
        yield from content.get(state, {"value": ()})["value"]


def _told_twice(places: Counter[str]) -> Iterator[str]:
    for job, count in places.items():
        if count > 1:
            yield f"job {job} is in {count} states at once"


def _homeless(content: Mapping[str, Any], places: Counter[str]) -> Iterator[str]:
    jobs = {name for name, key in content.items() if key["type"] == "hash" and "timestamp" in key["value"]}
    for job in sorted(jobs - places.keys()):
        yield f"job {job} is in no state"
    for job in sorted(places.keys() - jobs):
        yield f"{job} is in a state, and no such job exists"


def _strange_locks(content: Mapping[str, Any]) -> Iterator[str]:
    active = set(content.get("active", {"value": ()})["value"])
    for name in content:
        if name.endswith(":lock") and name.removesuffix(":lock") not in active:
            yield f"{name} is held, and the job is not active"


def _lost_children(content: Mapping[str, Any]) -> Iterator[str]:
    """Dependencies of a waiting parent are exactly its unfinished children; one that failed unflagged stays (§4.4).

    One that failed with `rdof` has left nothing with its parent, which does not wait for it again either (§7.1).
    """
    waiting = content.get("waiting-children", {"value": {}})["value"]
    for parent in waiting:
        pending = set(content.get(f"{parent}:dependencies", {"value": ()})["value"])
        for child, key in content.items():
            if key["type"] != "hash" or "timestamp" not in key["value"]:
                continue
            if not str(key["value"].get("parentKey", "")).endswith(f":{parent}"):
                continue
            full = f"{key['value']['parentKey'].removesuffix(f':{parent}')}:{child}"
            if key["value"].get("parent", {}).get("rdof"):
                continue
            if any(child in content.get(state, {"value": ()})["value"] for state in FINISHED):
                continue
            if full not in pending:
                yield f"child {child} is unfinished, and its waiting parent {parent} does not wait for it"
