"""Deduplication: the option `de` of a job (protocol §1.4, §2.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from bullpen.errors import ConfigurationError
from bullpen.protocol.arguments import check_flag, check_text, shown
from bullpen.protocol.numbers import LONGEST_MS

LONGEST_TTL_MS: Final = LONGEST_MS

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Deduplication:
    """While a job owns `id`, further adds with that id are discarded in its favour; see §2.5 for each mode.

    The job owns it until it is finished, or for `ttl` ms from its add; `extend`: each discarded add starts the `ttl`
    anew. `replace`: an owner that is still delayed is removed instead, and the new job takes its place. `keep_last`:
    the last one discarded while the owner is active is added when that is finished; `ttl` is ignored.
    `reschedule`: an owner that is still delayed gets the due time of the discarded job.
    `extra` holds every other key of the stored JSON, unchanged.
    """

    id: str
    ttl: int | None = None
    extend: bool = False
    replace: bool = False
    keep_last: bool = False
    reschedule: bool = False
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    @classmethod
    def parse(cls, value: object) -> Deduplication | None:
        """From stored JSON; None when the option is absent, or something that no deduplication can be read from."""
        if not isinstance(value, Mapping) or not isinstance(value.get("id"), str):
            return None
        ttl = value.get("ttl")
        if not (ttl is None or (isinstance(ttl, int | float) and math.isfinite(ttl))):
            return None
        stored = {key: each for key, each in value.items() if key not in ("id", "ttl")}
        return cls(
            id=value["id"],
            ttl=None if ttl is None else int(ttl),
            extend=bool(stored.pop("extend", False)),
            replace=bool(stored.pop("replace", False)),
            keep_last=bool(stored.pop("keepLastIfActive", False)),
            reschedule=bool(stored.pop("reschedule", False)),
            extra=MappingProxyType(stored),
        )

    def dump(self) -> dict[str, Any]:
        """The JSON object as it is stored; what is not asked for is left out."""
        stored: dict[str, Any] = {"id": self.id}
        if self.ttl is not None:
            stored["ttl"] = self.ttl
        flags = {
            "extend": self.extend,
            "replace": self.replace,
            "keepLastIfActive": self.keep_last,
            "reschedule": self.reschedule,
        }
        return stored | {name: True for name, chosen in flags.items() if chosen} | dict(self.extra)

    def check(self) -> None:
        """Raises ConfigurationError for an id or a ttl that no client may write."""
        check_dedup_id(self.id)
        for name in ("extend", "replace", "keep_last", "reschedule"):
            check_flag(f"{name} of deduplication id {shown(self.id)}", getattr(self, name))
        if self.ttl is None:
            return
        whole = isinstance(self.ttl, int) and not isinstance(self.ttl, bool)
        if not whole or not 0 < self.ttl <= LONGEST_TTL_MS:
            raise ConfigurationError(
                f"ttl of deduplication id {self.id!r} is {shown(self.ttl)}: give whole ms, 1 to {LONGEST_TTL_MS}, "
                "or leave it out: the id is free again when its job is finished"
            )


def check_dedup_id(dedup_id: object) -> None:
    """Raises ConfigurationError for what cannot be a deduplication id."""
    check_text("deduplication id", dedup_id)
