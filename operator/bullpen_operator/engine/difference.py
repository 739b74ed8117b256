"""Whether a Deployment still is what was applied: the intended object against the one seen. Pure.

Only what the operator intends is compared; whatever others add beside it (an injected sidecar, an annotation) is
theirs. The number of replicas is left out: it is decided each tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Differences = frozenset[tuple[str, str]]
"""Path in the object, and what is seen there instead."""

_NAMED_BY = ("name", "uid", "mountPath", "containerPort", "topologyKey", "ip")
_NOT_COMPARED = frozenset({"/spec/replicas", "/apiVersion", "/kind"})  # lists leave the latter two out


def differences(intended: Mapping[str, Any], seen: Mapping[str, Any]) -> Differences:
    """Where `seen` lacks or contradicts what is intended. An empty object or list, and one that is missing, are the
    same.
    """
    return frozenset(_walk(intended, seen, ""))


def _walk(intended: Any, seen: Any, path: str) -> Iterator[tuple[str, str]]:
    if path in _NOT_COMPARED or (not intended and not seen and intended is not False and seen is not False):
        return
    if isinstance(intended, dict) and isinstance(seen, dict):
        for key, value in intended.items():
            yield from _walk(value, seen.get(key), f"{path}/{key}")
    elif isinstance(intended, list) and isinstance(seen, list):
        yield from _walk_list(intended, seen, path)
    elif intended != seen:
        yield path, repr(seen)


def _walk_list(intended: list[Any], seen: list[Any], path: str) -> Iterator[tuple[str, str]]:
    for index, item in enumerate(intended):
        identity = _identity(item)
        if identity is None:
            yield from _walk(item, seen[index] if index < len(seen) else None, f"{path}/{index}")
            continue
        found = next((other for other in seen if _identity(other) == identity), None)
        yield from _walk(item, found, f"{path}/{identity[1]}")


def _identity(item: Any) -> tuple[str, Any] | None:
    """What tells an item of a Kubernetes list apart from its neighbours, None for plain values."""
    if isinstance(item, dict):
        for key in _NAMED_BY:
            if key in item:
                return key, item[key]
    return None
