"""The counting of the operator's benchmark: who wrote what, quantiles of its own histogram, and targets."""

from __future__ import annotations

from typing import Any

import pytest
from operator_figures.changes import Changes
from operator_figures.pools import is_active, name_of, number_of
from operator_figures.process import Scrape
from operator_figures.report import missed, table

LAG = "bullpen_sweep_lag_seconds"


def _deployment(number: int, *, writer: str = "bullpen-operator", time: str = "00:00:01", replicas: int = 0) -> Any:
    managed = [
        {"manager": writer, "operation": "Apply", "time": time, "fieldsV1": {"f:spec": {}}},
        {"manager": "kube-controller-manager", "operation": "Update", "time": "00:00:09"},
    ]
    return {
        "metadata": {"name": name_of(number), "generation": 1, "managedFields": managed},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 1, "readyReplicas": replicas},
    }


async def _heard(*objects: Any, kind: str = "deployments") -> Changes:
    changes = Changes()
    for raw in objects:
        await changes.hear(kind, False, raw)
    return changes


@pytest.mark.parametrize(
    ("objects", "count"),
    [
        pytest.param([_deployment(1)], 1, id="one that the operator made"),
        pytest.param([_deployment(1), _deployment(1)], 1, id="the same again, as after a watch that was begun anew"),
        pytest.param([_deployment(1), _deployment(1, time="00:00:02")], 2, id="two writes"),
        pytest.param([_deployment(1, writer="kubectl")], 0, id="somebody else's"),
    ],
)
async def test_writes_are_counted_by_what_the_api_server_says_of_them(objects: list[Any], count: int) -> None:
    heard = await _heard(*objects)
    assert [(write.kind, write.pool) for write in heard.writes] == [("deployments", 1)] * count


async def test_pools_are_at_rest_once_all_of_them_are_seen_and_the_active_ones_have_their_pods() -> None:
    heard = await _heard(_deployment(0), _deployment(1))
    assert heard.unsettled(2, quiet=0) == "pool-0 has no Deployment, or no status"
    for number in range(2):
        await heard.hear("workerpools", False, {"metadata": {"name": name_of(number)}, "status": {"replicas": 0}})
    assert heard.unsettled(2, quiet=0) == "pool-0 is active, and 0 of its 0 pods are ready"
    await heard.hear("deployments", False, _deployment(0, replicas=1))
    assert heard.unsettled(2, quiet=0) is None
    assert heard.unsettled(2, quiet=60) == "pool-0 was scaled a moment ago"


def test_numbers_and_names_of_pools_are_one_to_one() -> None:
    assert [number_of(name_of(number)) for number in (0, 7, 4999)] == [0, 7, 4999]
    assert (number_of("7"), number_of("pool-x"), number_of("")) == (None, None, None)
    assert [is_active(number) for number in (0, 1, 10)] == [True, False, True]


def _scrape(*counts: float) -> Scrape:
    """Ticks that were late by at most 0.1 s, by at most 0.2 s, and all of them."""
    samples: dict[tuple[str, ...], float] = dict(zip([("0.1",), ("0.2",), ("+Inf",)], counts, strict=True))
    return Scrape({f"{LAG}_bucket": samples}, seconds=0.0, mebibytes=0.0)


@pytest.mark.parametrize(
    ("share", "quantile"),
    [
        pytest.param(0.25, 0.05, id="in the middle of the first bucket"),
        pytest.param(0.7, 0.15, id="in the middle of the second"),
        pytest.param(1.0, 0.2, id="above the last bound nothing more is known"),
    ],
)
def test_quantiles_are_of_what_was_counted_in_between(share: float, quantile: float) -> None:
    before, after = _scrape(50, 50, 50), _scrape(150, 230, 250)
    assert after.quantile_since(before, LAG, share) == pytest.approx(quantile)


def test_a_figure_above_its_target_is_named_and_set_bold() -> None:
    figures = {1000: {"steady": {"cpu m": 251, "rss MiB": 256}}}
    assert missed(figures) == ["CPU, thousandths of a core, 1000 pools: 251, at most 250 was asked for"]
    assert "| CPU, thousandths of a core | **251** | ≤ 250 at 1,000; ≤ 1,000 at 5,000 |" in table(figures)
    assert "| memory, MiB | 256 |" in table(figures)


def test_what_was_not_measured_misses_nothing() -> None:
    assert missed({5000: {}}) == []
