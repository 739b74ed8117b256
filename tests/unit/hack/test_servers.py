"""The servers for the tests: where they are kept, what makes one anew, and how it is told that one cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.cluster.places import Places
from hack.cluster.steps import Steps
from hack.servers import SERVERS, DebianPackage, Wheel, ensure, present, program


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.of({"XDG_CACHE_HOME": str(tmp_path)})


def test_each_server_has_a_place_of_its_own(places: Places) -> None:
    assert len({program(name, places) for name in SERVERS}) == len(SERVERS)
    assert all(program(name, places).is_relative_to(places.root / "servers") for name in SERVERS)


def test_another_version_is_another_place() -> None:
    assert Wheel("a==1", "0", "bin/a").key != Wheel("a==2", "0", "bin/a").key
    assert DebianPackage("a", "a").key != DebianPackage("b", "a").key


def test_only_what_is_there_is_present(places: Places) -> None:
    assert present(places) == []
    program("valkey-9.1", places).parent.mkdir(parents=True)
    program("valkey-9.1", places).touch()
    assert present(places) == ["valkey-9.1"]


def test_what_is_there_is_not_got_again(places: Places) -> None:
    for name in SERVERS:
        program(name, places).parent.mkdir(parents=True)
        program(name, places).touch()
    assert ensure(Steps.begin(places, "servers")) == []


def test_one_that_cannot_be_had_is_told_in_one_sentence(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # pip answers at once, as for a registry that lacks it
    monkeypatch.setenv("PIP_FIND_LINKS", str(places.root))
    (problem,) = ensure(Steps.begin(places, "servers"), ["valkey-9.1"])
    assert problem.startswith("valkey-9.1 cannot be had, so tests will not run against it: ")
    assert present(places) == []
