"""The transcripts of docs/what-if.md are what the commands print."""

from __future__ import annotations

from tests.unit.cli.transcripts import PAGE, written


def test_the_page_shows_what_is_printed() -> None:
    """After a change that is meant, of the planner's too: python -m tests.unit.cli.transcripts"""
    page = PAGE.read_text(encoding="utf-8")
    assert "POD-HOURS" in page
    assert page == written(page)
