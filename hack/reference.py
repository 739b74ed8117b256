"""The pages of docs/reference, written from the models, the enums and the metrics registry: `make reference`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bullpen_operator.api.crd import crd
from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.api.vocabulary import EVENTS, REASONS
from bullpen_operator.serving.metrics import Metrics

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "docs/reference"
_EVENTS = (
    "Events of a WorkerPool (`kubectl events --for workerpool/NAME`). One that repeats within ten minutes is counted, "
    "not posted again, and a pool has 20 at once and then one in 15 s.\n"
)
_FOREIGN = ("python_", "process_")
"""Metrics of the process, which every Python program has."""


def spec() -> str:
    """Every field a user writes, with its type, default, meaning and the sentences that guard it."""
    head = "What a WorkerPool's `spec` takes. `kubectl explain workerpool.spec --recursive` tells the same."
    return _page("WorkerPool: spec", head, _fields(_schema()["properties"]["spec"], "spec"), rules=True)


def status() -> str:
    """Every field the operator writes."""
    head = (
        "What the operator writes to a WorkerPool's `status`, at once when a condition, a decision or a number of pods "
        "changes, and otherwise at most once a minute. Queue numbers and rates have two significant digits."
    )
    return _page("WorkerPool: status", head, _fields(_schema()["properties"]["status"], "status"), rules=False)


def conditions() -> str:
    """Every condition with its reasons."""
    lines = [
        _title("Conditions"),
        "Each stands on `status.conditions` at all times. A condition's `reason` is one word of those named here.\n",
    ]
    for kind in ConditionType:
        lines += [f"## {kind}\n", f"True: {kind.meaning}\n", "| reason | meaning |\n|---|---|"]
        lines += [f"| `{reason}` | {reason.meaning} |" for reason in REASONS[kind]]
        lines.append("")
    return "\n".join(lines)


def events() -> str:
    """Every Event."""
    lines = [
        _title("Events"),
        _EVENTS,
        "| reason | type | when |\n|---|---|---|",
    ]
    lines += [f"| `{reason}` | {kind} | {reason.meaning} |" for reason, kind in EVENTS.items()]
    lines += [
        "",
        "## Reasons of a decision\n",
        "What `status.decision.reason` and `status.decision.limitedBy` may say besides.\n",
        "| reason | meaning |\n|---|---|",
    ]
    lines += [f"| `{reason}` | {reason.meaning} |" for reason in Reason if reason not in _said()]
    return "\n".join([*lines, ""])


def metrics() -> str:
    """Every metric of the operator's own."""
    lines = [
        _title("Metrics of the operator"),
        "`/metrics` on port 9464, in base units. Besides these there are the usual `process_` and `python_` metrics.\n",
        "| metric | type | labels | meaning |\n|---|---|---|---|",
    ]
    # Labels of a metric without a sample are told nowhere else.
    for collector in Metrics().registry._collector_to_names:  # noqa: SLF001
        for name, kind, labels, text in _described(collector):
            if not name.startswith(_FOREIGN):
                lines.append(f"| `{name}` | {kind} | {', '.join(labels) or '–'} | {text} |")
    return "\n".join([*lines, ""])


PAGES = {
    "spec.md": spec,
    "status.md": status,
    "conditions.md": conditions,
    "events.md": events,
    "metrics.md": metrics,
}


def main(place: Path = PLACE) -> None:
    """Write the pages."""
    place.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (place / name).write_text(page(), encoding="utf-8")


def _said() -> set[Reason]:
    return set(EVENTS) | {reason for reasons in REASONS.values() for reason in reasons}


def _title(text: str) -> str:
    return f"<!-- Written by `make reference`; do not edit. -->\n\n# {text}\n"


def _schema() -> dict[str, Any]:
    version = crd()["spec"]["versions"][0]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def _page(title: str, head: str, fields: Iterator[tuple[str, dict[str, Any], bool]], *, rules: bool) -> str:
    lines = [_title(title), head + "\n", "| field | type | default | meaning |\n|---|---|---|---|"]
    refused = []
    for path, schema, required in fields:
        default = _default(schema, required=required)
        lines.append(f"| `{path}` | {_kind(schema)} | {default} | {_cell(schema.get('description', ''))} |")
        refused += [f"- `{path}`: {_cell(rule['message'])}" for rule in schema.get("x-kubernetes-validations", ())]
    if rules:
        whole = [*_schema()["properties"]["spec"]["x-kubernetes-validations"], *_schema()["x-kubernetes-validations"]]
        refused += [f"- {_cell(rule['message'])}" for rule in whole]
        lines += ["", "## What the API server refuses\n", "With the sentence it answers:\n", *refused]
    return "\n".join([*lines, ""])


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, inner in schema.get("properties", {}).items():
        place = f"{path}.{name}"
        yield place, inner, name in schema.get("required", ())
        yield from _fields(inner, place)
        items = inner.get("items")
        if isinstance(items, dict):
            yield from _fields(items, f"{place}[]")


def _kind(schema: dict[str, Any]) -> str:
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(schema['items'])}s"
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if kind == "object" and "additionalProperties" in schema:
        return "map"
    return "time" if schema.get("format") == "date-time" else kind


def _default(schema: dict[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    value = schema.get("default")
    if value is None or value in ({}, []):
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _described(collector: Any) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and meaning of what a collector tells. Counters have `_total` in their samples' names."""
    for family in collector.describe() if hasattr(collector, "describe") else collector.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = getattr(collector, "_labelnames", ()) or getattr(family, "_labelnames", ())
        yield name, family.type, tuple(labels), _cell(family.documentation)


if __name__ == "__main__":
    main()
