"""A strategic merge of two pod templates: lists that Kubernetes keys are merged by key, all else like JSON
merge.

Only as much of Kubernetes' strategic merge patch as a pod template needs; no Python library offers it, and
the API server merges strategically only into objects that already exist.
"""

from __future__ import annotations

from typing import Any, Final

Raw = dict[str, Any]

KEYS: Final = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
}
"""Lists of a pod by the field that tells their items apart (the `patchMergeKey` of core/v1)."""

_MERGED_ITEMS: Final = frozenset({"containers", "initContainers"})
"""Lists whose items are merged in turn; items of the others are taken whole: half a volume is none."""

_WHOLE: Final = frozenset({"livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "affinity"})
"""Objects taken whole, because two kinds of the same thing exclude each other (httpGet and exec)."""


class NotAPodError(ValueError):
    """A part of a template has another type than a pod's has; the message names the part."""


def merge(under: Raw, over: Raw, *, path: str = "template") -> Raw:
    """`over` laid on `under`; neither is changed. Where both have a plain value, `over` has it.

    Raises:
        NotAPodError: a list or an object was expected, or an item lacks its key.
    """
    merged = dict(under)
    for field, value in over.items():
        place = f"{path}.{field}"
        before = merged.get(field)
        if field in KEYS:
            merged[field] = _merge_list(before or [], value, field, place)
        elif isinstance(before, dict) and field not in _WHOLE:
            if not isinstance(value, dict):
                raise NotAPodError(f"{place} must be an object, not {value!r:.100}")
            merged[field] = merge(before, value, path=place)
        else:
            merged[field] = value
    return merged


def _merge_list(under: Any, over: Any, field: str, path: str) -> list[Raw]:
    """What is in `over` comes first and in its order, then what only `under` has."""
    below, above = _by_key(under, field, path), _by_key(over, field, path)
    items = {}
    for key, item in above.items():
        merges = field in _MERGED_ITEMS and key in below
        items[key] = merge(below[key], item, path=f"{path}[{key}]") if merges else item
    return [*items.values(), *(item for key, item in below.items() if key not in items)]


def _by_key(items: Any, field: str, path: str) -> dict[Any, Raw]:
    key = KEYS[field]
    if not isinstance(items, list):
        raise NotAPodError(f"{path} must be a list, not {items!r:.100}")
    for index, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get(key), (str, int)):
            raise NotAPodError(f"{path}[{index}] must be an object with a {key}")
    return {item[key]: item for item in items}
