"""What a JavaScript producer passes, as our client takes it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bullpen.protocol.options import JobOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

ABBREVIATED = {  # §1.4
    "keepLogs": "kl",
    "deduplication": "de",
    "failParentOnFailure": "fpof",
    "continueParentOnFailure": "cpof",
    "ignoreDependencyOnFailure": "idof",
    "removeDependencyOnFailure": "rdof",
}
NUMBERS = ("attempts", "delay", "priority")


def to_json(value: Any) -> str:
    """Write JSON as JSON.stringify does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def from_node_options(opts: Mapping[str, Any]) -> JobOptions:
    """Read the options a JavaScript producer would pass; numbers are handed on unread, to be refused where wrong."""
    stored = {ABBREVIATED.get(key, key): value for key, value in opts.items() if key not in NUMBERS}
    return replace(JobOptions.parse(to_json(stored)), **{key: opts[key] for key in NUMBERS if key in opts})
