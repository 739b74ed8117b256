from __future__ import annotations

import hashlib
import re
from importlib.resources import files

import pytest

from bullpen.protocol.scripts import load, resolve, used

FOLDER = files("bullpen.protocol").joinpath("scripts")
NAMES = sorted(entry.name.removesuffix(".lua") for entry in FOLDER.iterdir() if entry.name.endswith(".lua"))

NO_PARTS: dict[str, str] = {}


@pytest.mark.parametrize("name", NAMES)
def test_every_script_loads_with_all_its_parts(name: str) -> None:
    script = load(name)
    assert script.sha1 == hashlib.sha1(script.text.encode()).hexdigest()
    assert "--- include" not in script.text
    assert script.text.count("local P = KEYS[1]") == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_script_says_what_it_takes_and_gives(name: str) -> None:
    head = re.match(r"(?:--.*\n)+", FOLDER.joinpath(f"{name}.lua").read_text("utf-8"))
    assert head
    assert "-- KEYS[1] P" in head[0]
    assert "-- Reply" in head[0]


def test_a_part_is_included_once_however_often_it_is_asked_for() -> None:
    parts = {"a": "--- include b\nlocal a\n", "b": "local b\n"}
    assert resolve("--- include a\n--- include b\nreturn a", parts.__getitem__).split() == [
        "local",
        "b",
        "local",
        "a",
        "return",
        "a",
    ]


def test_parts_that_include_each_other_end() -> None:
    parts = {"a": "--- include b\nlocal a", "b": "--- include a\nlocal b"}
    assert resolve("--- include a", parts.__getitem__).split() == ["local", "b", "local", "a"]


def test_a_part_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        resolve("--- include nowhere", NO_PARTS.__getitem__)


def test_text_that_only_looks_like_an_include_stays() -> None:
    text = "-- include a\n  --- include a\n"
    assert resolve(text, NO_PARTS.__getitem__) == text


def test_what_nothing_names_is_left_out() -> None:
    text = """-- says: unused
local function leaf()
  return 1
end
local function unused()
  return leaf()
end
local function holder()
local function inner()
  return 2
end
  return inner
end
local function kept()
  return holder
end
return kept()
"""
    assert (
        used(text)
        == """local function holder()
local function inner()
  return 2
end
  return inner
end
local function kept()
  return holder
end
return kept()
"""
    )
