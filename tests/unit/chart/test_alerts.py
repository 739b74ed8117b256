"""The alerts, run by promtool: when each fires, when it does not, and that each has a runbook."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.stage.kubectl import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(900)  # the first run on a machine gets promtool

RULES = ROOT / "charts/bullpen/files/alerts.yaml"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
POOL = {"namespace": "media", "pool": "video"}
OPERATOR = {"namespace": "ops", "job": "bullpen-operator"}
QUEUE = {**POOL, "queue": "video"}
HOUR = "x60"


@dataclass(frozen=True)
class Case:
    """Series (name{labels} → values, one a minute), and which alerts fire after an hour: their labels."""

    series: dict[str, str]
    fires: list[dict[str, str]] = field(default_factory=list)


def labels(known: dict[str, str], **more: str) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in {**known, **more}.items()) + "}"


def pool(name: str, value: str, **more: str) -> dict[str, str]:
    """A series of the pool as each of two operators shows it."""
    return {name + labels({**POOL, "instance": place, **more}): value for place in ("a", "b")}


CASES: dict[str, dict[str, Case]] = {
    "BullpenOperatorAbsent": {
        "nobody is scraped": Case({}, [{}]),
        "one is": Case({'bullpen_operator_info{version="1"}': "1" + HOUR}),
    },
    "BullpenNoLeader": {
        "two stand by": Case(
            {"bullpen_operator_leader" + labels(OPERATOR, instance=each): "0" + HOUR for each in ("a", "b")}, [OPERATOR]
        ),
        "one leads": Case(
            {"bullpen_operator_leader" + labels(OPERATOR, instance=each): each + HOUR for each in ("0", "1")},
        ),
        "another namespace has its own": Case(
            {
                "bullpen_operator_leader" + labels({**OPERATOR, "namespace": "one"}): "1" + HOUR,
                "bullpen_operator_leader" + labels({**OPERATOR, "namespace": "two"}): "0" + HOUR,
            },
            [{**OPERATOR, "namespace": "two"}],
        ),
    },
    "BullpenSweepLate": {
        "two seconds late": Case(
            {
                "bullpen_sweep_lag_seconds_bucket" + labels(OPERATOR, le="1"): "0" + HOUR,
                "bullpen_sweep_lag_seconds_bucket" + labels(OPERATOR, le="2.5"): "0+60" + HOUR,
                "bullpen_sweep_lag_seconds_bucket" + labels(OPERATOR, le="+Inf"): "0+60" + HOUR,
            },
            [OPERATOR],
        ),
        "in time": Case(
            {
                "bullpen_sweep_lag_seconds_bucket" + labels(OPERATOR, le="0.15"): "0+60" + HOUR,
                "bullpen_sweep_lag_seconds_bucket" + labels(OPERATOR, le="+Inf"): "0+60" + HOUR,
            }
        ),
    },
    "BullpenRelistOverdue": {
        "listed once, at the start": Case(
            {"bullpen_relist_timestamp_seconds" + labels(OPERATOR, kind="WorkerPool"): "1" + HOUR},
            [{**OPERATOR, "kind": "WorkerPool"}],
        ),
        "listed all the time": Case(
            {"bullpen_relist_timestamp_seconds" + labels(OPERATOR, kind="WorkerPool"): "0+60" + HOUR}
        ),
    },
    "BullpenApiForbidden": {
        "patches are refused": Case(
            {
                "bullpen_api_requests_total" + labels(OPERATOR, verb="PATCH", resource="pods", code="403"): "0+1"
                + HOUR
            },
            [{**OPERATOR, "verb": "PATCH", "resource": "pods", "code": "403"}],
        ),
        "a Secret that a pool may not use is that pool's trouble": Case(
            {
                "bullpen_api_requests_total" + labels(OPERATOR, verb="GET", resource="secrets", code="403"): "0+1"
                + HOUR
            }
        ),
    },
    "BullpenApiErrors": {
        "one in five": Case(
            {
                "bullpen_api_requests_total" + labels(OPERATOR, code="200"): "0+40" + HOUR,
                "bullpen_api_requests_total" + labels(OPERATOR, code="0"): "0+5" + HOUR,
                "bullpen_api_requests_total" + labels(OPERATOR, code="503"): "0+5" + HOUR,
            },
            [OPERATOR],
        ),
        "conflicts are no errors": Case(
            {
                "bullpen_api_requests_total" + labels(OPERATOR, code="200"): "0+40" + HOUR,
                "bullpen_api_requests_total" + labels(OPERATOR, code="409"): "0+40" + HOUR,
                "bullpen_api_requests_total" + labels(OPERATOR, code="429"): "0+1" + HOUR,
            }
        ),
    },
    "BullpenTurnErrors": {
        "one": Case({"bullpen_turn_errors_total" + labels(OPERATOR): "0x55 1x5"}, [OPERATOR]),
        "one, long ago": Case({"bullpen_turn_errors_total" + labels(OPERATOR): "0x5 1x55"}),
    },
    "BullpenQueueUnreachable": {
        "for neither operator": Case(pool("bullpen_queue_reachable", "0" + HOUR), [POOL]),
        "for a minute": Case(pool("bullpen_queue_reachable", "1x59 0")),
    },
    "BullpenQueueNotFound": {
        "never was": Case(pool("bullpen_pool_condition", "0" + HOUR, condition="QueueFound"), [POOL]),
        "nobody knows": Case(pool("bullpen_pool_condition", "-1" + HOUR, condition="QueueFound")),
    },
    "BullpenPoolStalled": {
        "since an hour": Case(pool("bullpen_pool_condition", "1" + HOUR, condition="Stalled"), [POOL]),
        "another condition": Case(pool("bullpen_pool_condition", "1" + HOUR, condition="Ready")),
    },
    "BullpenPodsMissing": {
        "one of three": Case(
            pool("bullpen_pool_replicas", "3" + HOUR, kind="desired")
            | pool("bullpen_pool_replicas", "2" + HOUR, kind="ready"),
            [POOL],
        ),
        "all there": Case(
            pool("bullpen_pool_replicas", "3" + HOUR, kind="desired")
            | pool("bullpen_pool_replicas", "3" + HOUR, kind="ready"),
        ),
    },
    "BullpenObjectiveMissed": {
        "nearly always": Case(pool("bullpen_pool_objective_violation_seconds_total", "0+50" + HOUR), [POOL]),
        "now and then": Case(pool("bullpen_pool_objective_violation_seconds_total", "0+20" + HOUR)),
    },
    "BullpenPoolAtMaximum": {
        "all the time": Case(
            pool("bullpen_pool_decision", "1" + HOUR, reason="Backlog", limited_by="MaxReplicas"), [POOL]
        ),
        "another limit": Case(pool("bullpen_pool_decision", "1" + HOUR, reason="Backlog", limited_by="Pinned")),
        "for ten minutes": Case(
            pool("bullpen_pool_decision", "_x50 1x10", reason="Backlog", limited_by="MaxReplicas")
        ),
    },
    "BullpenPoolFlapping": {
        "each minute": Case(
            pool("bullpen_scale_writes_total", "0+1" + HOUR, direction="up", reason="Backlog"), [POOL]
        ),
        "each two minutes, seen by two": Case(
            pool("bullpen_scale_writes_total", "0+0.5" + HOUR, direction="up", reason="Backlog")
        ),
    },
    "BullpenJobsFailing": {
        "every second one": Case(
            {
                "bullpen_worker_jobs_total" + labels(QUEUE, pod="a", outcome="failed"): "0+10" + HOUR,
                "bullpen_worker_jobs_total" + labels(QUEUE, pod="b", outcome="completed"): "0+10" + HOUR,
            },
            [QUEUE],
        ),
        "tried again is not failed": Case(
            {
                "bullpen_worker_jobs_total" + labels(QUEUE, pod="a", outcome="retried"): "0+50" + HOUR,
                "bullpen_worker_jobs_total" + labels(QUEUE, pod="a", outcome="failed"): "0+1" + HOUR,
                "bullpen_worker_jobs_total" + labels(QUEUE, pod="b", outcome="completed"): "0+10" + HOUR,
            }
        ),
    },
    "BullpenJobsStuck": {
        "one": Case({"bullpen_worker_stuck_jobs" + labels(QUEUE, pod="a"): "1" + HOUR}, [QUEUE]),
        "none": Case({"bullpen_worker_stuck_jobs" + labels(QUEUE, pod="a"): "0" + HOUR}),
    },
    "BullpenLocksLost": {
        "one": Case({"bullpen_worker_lock_losses_total" + labels(QUEUE, pod="a"): "0x55 1x5"}, [QUEUE]),
        "none": Case({"bullpen_worker_lock_losses_total" + labels(QUEUE, pod="a"): "7" + HOUR}),
    },
    "BullpenWorkersRedisErrors": {
        "two a second": Case(
            {"bullpen_worker_redis_errors_total" + labels(QUEUE, pod="a"): "0+120" + HOUR}, [QUEUE]
        ),
        "one a minute": Case({"bullpen_worker_redis_errors_total" + labels(QUEUE, pod="a"): "0+1" + HOUR}),
    },
}  # fmt: skip
ROWS = [(alert, name) for alert, cases in CASES.items() for name in cases]


def tried(promtool: str, directory: Path, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    file = directory / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    return subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("alert", "name"), ROWS, ids=[f"{alert}: {name}" for alert, name in ROWS])
def test_an_alert_fires_when_it_should(promtool: str, tmp_path: Path, alert: str, name: str) -> None:
    case = CASES[alert][name]
    severity = ALERTS[alert]["labels"]
    known = {"alertname": alert, "alertstate": "firing", **severity}
    expected = [{"labels": "ALERTS" + labels(known, **each), "value": 1} for each in case.fires]
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertname="{alert}",alertstate="firing"}}',
                "eval_time": "1h",
                "exp_samples": expected,
            }
        ],
    }

    done = tried(promtool, tmp_path, [test])

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_sound_to_promtool(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", "--lint-fatal", str(RULES)], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sentences_of_an_alert_name_its_pool(promtool: str, tmp_path: Path) -> None:
    alert = {
        "exp_labels": {**POOL, "severity": "warning"},
        "exp_annotations": {
            "summary": "media/video is to have 3 pods, and fewer are ready.",
            "description": "Pods do not start, crash, or find no room.",
        },
    }
    missing = CASES["BullpenPodsMissing"]["one of three"]
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in missing.series.items()],
        "alert_rule_test": [{"eval_time": "1h", "alertname": "BullpenPodsMissing", "exp_alerts": [alert]}],
    }

    done = tried(promtool, tmp_path, [test])

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_both_ways() -> None:
    assert set(CASES) == set(ALERTS)
    for alert, cases in CASES.items():
        assert {bool(case.fires) for case in cases.values()} == {True, False}, alert


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    text = (ROOT / "docs/runbooks.md").read_text()
    sections = dict(re.findall(r"^## (Bullpen\w+)\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL))

    assert set(sections) == set(ALERTS)
    for alert, section in sections.items():
        assert "**Means**" in section, alert
        assert "**Look**" in section, alert
        assert "**Do**" in section, alert
