"""The reference pages: current, and complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bullpen_operator.api.crd import crd
from bullpen_operator.api.reasons import ConditionType
from bullpen_operator.api.vocabulary import EVENTS, REASONS
from hack.reference import PAGES, PLACE, main


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_are_what_the_code_says(name: str) -> None:
    """`make reference` writes them."""
    assert (PLACE / name).read_text() == PAGES[name]()


def test_the_command_writes_every_page_and_no_other_is_there(tmp_path: Path) -> None:
    main(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == set(PAGES) == {path.name for path in PLACE.iterdir()}


def test_every_condition_has_reasons_of_its_own_page() -> None:
    assert set(REASONS) == set(ConditionType)
    text = PAGES["conditions.md"]()
    for kind, reasons in REASONS.items():
        assert f"## {kind}" in text
        assert len(set(reasons)) == len(reasons)


def test_every_time_names_its_unit() -> None:
    """A number of seconds says so, in its name or its text."""
    schema = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    page = PAGES["spec.md"]()

    assert "scaling" in schema["properties"]
    for line in re.findall(r"^\| `spec\..*(?:Seconds|\.seconds|Percent|percentile)`.*$", page, re.MULTILINE):
        assert re.search(r"[Ss]econds|[Pp]er cent", line.split("|")[4]), line


def test_warnings_and_news_are_told_apart() -> None:
    assert set(EVENTS.values()) == {"Normal", "Warning"}
