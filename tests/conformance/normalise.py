"""What two clients may write differently without meaning different things (bullmq-protocol.md §13, method).

The clock is injected on both sides, so that times need no tolerance at all; only a scenario with running workers reads
the machine's clock, and there every time becomes the mark `<ms>`. What Redis measures itself (PTTL) is compared with
a tolerance, in `compare`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.conformance.compare import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conformance.dump import Key

MS_PER_DELAYED_SCORE = 4096  # §1.5: delayed score = due ms x 4096 + sequence
# JSON that servers or clients re-encode: key order and escapes carry no meaning. `data`, `returnvalue` and `progress`
# are not here: they are the producer's or the job's own text and have to survive byte for byte.
REENCODED_FIELDS = frozenset({"opts", "parent"})
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Writing a default and leaving it out mean the same.
OPTION_DEFAULTS = {"attempts": 0, "delay": 0, "priority": 0, "lifo": False}
OWN_KEYS = "bullpen:"  # heartbeats and drain marks: ours alone, in names BullMQ does not use
OWN_FIELDS = "bp:"  # what we add to job hashes, which BullMQ leaves alone


@dataclass(slots=True)
class Normaliser:
    """Turns one side's dump into plain comparable values.

    `began` is the start in epoch ms of a scenario on the machine's clock, or None when the clock was injected.
    One instance serves one run of one scenario: names given to UUIDs and tokens hold for all of its dumps.
    """

    began: int | None = None
    names: dict[str, str] = field(default_factory=dict)

    def dump(self, content: Mapping[str, Key]) -> dict[str, Any]:
        return {
            self._text(name): self._key(name, key)
            for name, key in sorted(content.items())
            if not name.startswith(OWN_KEYS)
        }

    def value(self, value: Any) -> Any:
        """Normalise what an operation replied."""
        match value:
            case bool() | None:
                return value
            case dict():
                return {key: self.value(item) for key, item in value.items()}
            case list() | tuple():
                return [self.value(item) for item in value]
            case str():
                return self._text(value)
            case int() | float():
                return self._number(value)
            case _:
                raise TypeError(f"{value!r} is not a plain value")

    def _key(self, name: str, key: Key) -> dict[str, Any]:
        match key.type:
            case "hash":
                value: Any = {
                    self._text(field): self._hash_value(name, field, text)
                    for field, text in key.value.items()
                    if (name, field) != ("meta", "version") and not field.startswith(OWN_FIELDS)
                }
            case "zset":
                value = {self._text(member): self._number(score) for member, score in key.value}
            case "stream":
                value = [[[field, self._text(text)] for field, text in entry] for entry in key.value]
            case "string":
                value = self._lock(key.value) if name.endswith(":lock") else self._text(key.value)
            case _:
                value = [self._text(item) for item in key.value]
        shown = {"type": key.type, "value": value}
        return shown if key.pttl is None else shown | {"pttl": key.pttl}

    def _hash_value(self, name: str, field: str, text: str) -> Any:
        if field == "stacktrace":
            return {"entries": len(json.loads(text))}
        if field in REENCODED_FIELDS:
            return self._reencoded(field, text)
        return self._text(text)

    def _reencoded(self, field: str, text: str) -> Any:
        decoded = json.loads(text)
        if field == "opts" and isinstance(decoded, dict):
            decoded = {key: value for key, value in decoded.items() if value != OPTION_DEFAULTS.get(key, ABSENT)}
        return self.value(_empty_alike(decoded))

    def _lock(self, token: str) -> str:
        # With an injected clock the tokens are the scenario's own; running workers invent theirs.
        return token if self.began is None else "<token>"

    def _text(self, text: str) -> str:
        named = UUID.sub(lambda found: self.names.setdefault(found[0], f"<uuid {len(self.names) + 1}>"), text)
        return re.sub(r"\d{13}(?!\d)", self._moment, named) if self.began is not None else named

    def _moment(self, found: re.Match[str]) -> str:
        return "<ms>" if self._is_now(float(found[0])) else found[0]

    def _number(self, number: float) -> Any:
        if self._is_now(number):
            return "<ms>"
        if self._is_now(number / MS_PER_DELAYED_SCORE):
            return f"<ms> sequence {int(number) % MS_PER_DELAYED_SCORE}"
        return number

    def _is_now(self, ms: float) -> bool:
        return self.began is not None and 0 <= ms - self.began <= 3_600_000


def _empty_alike(value: Any) -> Any:
    """Make no difference between `[]` and `{}`: Node's options lose it on their way to the server (§1.4)."""
    match value:
        case []:
            return {}
        case dict():
            return {key: _empty_alike(item) for key, item in value.items()}
        case list():
            return [_empty_alike(item) for item in value]
        case _:
            return value
