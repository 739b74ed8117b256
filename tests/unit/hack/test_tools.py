"""Which programs are taken from the PATH, and which are built or built anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hack.cluster import compose, kwok
from hack.cluster.go_program import GoProgram
from hack.cluster.tools import KUBERNETES, PACKAGES, Toolbox, suits, version_in


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.34.4", (1, 34)),
        ("0.30.0", (0, 30)),
        ("go1.26.8", (1, 26)),
        ("v3.19.0+g3d8990f", (3, 19)),
        ("", None),
        ("unknown", None),
    ],
)
def test_version_parsing(text: str, version: tuple[int, int] | None) -> None:
    assert version_in(text) == version


def _client(version: str) -> str:
    return json.dumps({"clientVersion": {"gitVersion": version}})


@pytest.mark.parametrize(
    ("name", "answer", "suitable"),
    [
        pytest.param("kubectl", _client(KUBERNETES), True, id="kubectl of the cluster's version"),
        pytest.param("kubectl", _client("v1.33.0"), True, id="kubectl one minor older"),
        pytest.param("kubectl", _client("v1.32.4-dispatcher"), False, id="kubectl two minors older"),
        pytest.param("kubectl", _client("v1.36.0"), False, id="kubectl two minors newer"),
        pytest.param("kubectl", "not json", False, id="kubectl that answers something else"),
        pytest.param("kubectl", "{}", False, id="kubectl that answers nothing"),
        pytest.param("kind", "0.30.0", True, id="kind of the pinned version"),
        pytest.param("kind", "0.20.0", False, id="kind that does not know the node image"),
        pytest.param("helm", "v3.19.0", True, id="helm 3"),
        pytest.param("helm", "v2.17.0", False, id="helm 2"),
        pytest.param("helm", "v4.0.0", False, id="helm 4"),
    ],
)
def test_what_suits(name: str, answer: str, suitable: bool) -> None:
    assert suits(name, answer) is suitable


@pytest.fixture
def box(tmp_path: Path) -> Toolbox:
    built = tmp_path / "built"
    built.mkdir()
    (built / "kind").write_bytes(b"program")
    made = Toolbox(tmp_path / "key")
    made.add([built / "kind"])
    return made


def test_a_built_program_is_found(box: Toolbox) -> None:
    assert box.path("kind") == box.directory / "kind"


def test_a_program_that_was_cut_off_is_not_found(box: Toolbox) -> None:
    (box.directory / "kind").write_bytes(b"prog")
    assert box.path("kind") is None


def test_a_program_that_was_never_built_is_not_found(box: Toolbox) -> None:
    (box.directory / "helm").write_bytes(b"from somewhere")
    assert box.path("helm") is None


@pytest.mark.parametrize("text", ["", '{"kind": 7', "[]", '{"kind": 6}'])
def test_a_manifest_that_was_cut_off_or_lies_means_building_again(box: Toolbox, text: str) -> None:
    (box.directory / "manifest.json").write_text(text)
    assert box.path("kind") is None


def test_adding_programs_keeps_the_ones_that_are_there(box: Toolbox, tmp_path: Path) -> None:
    (tmp_path / "helm").write_bytes(b"helm")
    box.add([tmp_path / "helm"])
    assert box.path("kind") is not None
    assert box.path("helm") is not None


def test_every_program_is_a_tool_of_the_pinned_modules() -> None:
    pinned = (Path(__file__).parents[3] / "hack/cluster/tools/go.mod").read_text()
    tools = {line.strip() for line in pinned.partition("tool (")[2].splitlines()}
    assert set(PACKAGES.values()) <= tools


@pytest.mark.parametrize("program", [compose.PROGRAM, kwok.PROGRAM], ids=lambda each: each.name)
def test_a_program_with_a_go_mod_of_its_own_is_pinned_there_to_its_version(program: GoProgram) -> None:
    pinned = (program.source / "go.mod").read_text()
    assert f"tool {program.package}\n" in pinned
    required = [words for line in pinned.splitlines() if len(words := line.split()) > 1 and "/" in words[0]]
    module = next(words for words in required if program.package.startswith(f"{words[0]}/"))
    assert module[1] == program.version
    assert (program.source / "go.sum").stat().st_size > 0
