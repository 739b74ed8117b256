"""The dashboard and the alerts ask for series that exist, with labels that those have, in PromQL that is sound."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bullpen.runtime.tally import Outcome, Tally
from bullpen.runtime.usage import Used
from bullpen.serving.metrics import exposition
from bullpen_operator.scaling.plan import Memory, plan
from bullpen_operator.serving.metrics import Metrics
from hack.stage.kubectl import ROOT
from tests.unit.operator.facts import NOW, fleet, pool, reading, rules

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(900)  # the first run on a machine gets promtool

FILES = ROOT / "charts/bullpen/files"
DASHBOARD = json.loads((FILES / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ROWS = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
QUERIES = {f"{panel['title']} {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]}
ALERTS = {
    rule["alert"]: rule["expr"]
    for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
}
TARGET = {"namespace", "pod", "instance", "job"}
"""Labels that Prometheus puts on what it scrapes from a pod; of a worker's also `pool`, by the PodMonitor."""


class Counts:
    """One queue of a worker."""

    queue, slots, busy, stuck, redis_errors, lock_losses, reclaimed = "videos", 1, 1, 1, 1, 1, 1

    def oldest_job_seconds(self) -> float:
        return 1.0

    def tallies(self) -> list[Tally]:
        tally = Tally("render")
        tally.count(Outcome.FAILED, seconds=1)
        return [tally]


def operator() -> str:
    """A scrape of an operator that has something to say of everything."""
    metrics = Metrics()
    known = pool(status={"conditions": [{"type": "Ready", "status": "True"}]})
    memory = Memory()
    for second in range(2):
        seen = reading(at=NOW + second, waiting=5, added=5, finished=0, oldest_wait_seconds=1.0)
        made = plan(rules=rules(), reading=seen, fleet=fleet(0), memory=memory, now=seen.at)
        metrics.pool_seen(known, reading=seen, fleet=fleet(0), decision=made)
        metrics.scaled(known, made)
        memory = made.memory
    metrics.requested("LIST", "workerpools", 200)
    metrics.round_trip(0.1, True)
    metrics.swept(lag=0.1)
    metrics.heard("WorkerPool")
    metrics.listed("WorkerPool", 0)
    return metrics.exposition().decode()


def labels_by_series() -> dict[str, set[str]]:
    """Every series there is, with the labels it can have."""
    worker = exposition(lambda: [Counts()], lambda: Used(cpu=1.5, rss=4096, processes=3))().decode()
    found: dict[str, set[str]] = {"ALERTS": {"alertname", "alertstate", "severity"}}
    for text, more in ((operator(), TARGET), (worker, {*TARGET, "pool"})):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, set(more)).update(sample.labels)
    return found


SERIES = labels_by_series()
SELECTOR = re.compile(r"\b([a-zA-Z_]\w*)\{([^}]*)\}|\b((?:bullpen|process)_\w+)")


@pytest.mark.parametrize("query", [*QUERIES.values(), *ALERTS.values()], ids=[*QUERIES, *ALERTS])
def test_a_query_asks_for_what_there_is(query: str) -> None:
    asked = SELECTOR.findall(query)
    assert asked, "the query names no series"
    for selected, matchers, bare in asked:
        name = selected or bare
        assert name in SERIES
        assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers)) <= SERIES[name], name
    grouped = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", query) for label in labels.split(",")}
    everything = set().union(*(SERIES[selected or bare] for selected, _, bare in asked))
    assert grouped <= everything | {"pod"}


def test_every_series_of_the_operator_that_is_ours_is_looked_at() -> None:
    text = " ".join([*QUERIES.values(), *ALERTS.values()])
    bare = [
        name
        for name in SERIES
        if name.startswith("bullpen_")
        and not name.startswith("bullpen_worker_")
        and not re.search(rf"\b{re.sub('_(bucket|count|sum|created)$', '', name)}", text)
    ]
    assert bare == []


def test_the_queries_are_sound_to_promtool(promtool: str, tmp_path: Path) -> None:
    variables = {"$__rate_interval": "5m", "$namespace": ".*", "$pool": ".*"}
    made: list[dict[str, Any]] = []
    for number, query in enumerate(QUERIES.values()):
        for name, value in variables.items():
            query = query.replace(name, value)
        assert "$" not in query
        made.append({"record": f"query:{number}", "expr": query})
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": made}]}))

    done = subprocess.run([promtool, "check", "rules", str(file)], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_row_is_a_question() -> None:
    assert len(ROWS) == len(set(ROWS)) >= 6
    assert all(row.endswith("?") for row in ROWS)


def test_panels_have_ids_of_their_own_and_do_not_cover_each_other() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        taken = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        cells |= taken
    assert len(ids) == len(set(ids))


def test_the_dashboard_belongs_to_no_grafana_in_particular() -> None:
    """No ids of a data source or a database: it takes whichever Prometheus is chosen."""
    assert "id" not in DASHBOARD
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "namespace", "pool"]
