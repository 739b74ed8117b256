"""Lua scripts: one file an operation, shared parts included by name at load time."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_INCLUDE = re.compile(r"^--- include ([a-z_]+)$", re.MULTILINE)
_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)
# Those that hold no others.
_FUNCTION = re.compile(r"^local function (\w+)\((?:(?!^local function).)*?^end\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua text with its includes resolved, without what it does not use, and the SHA-1 by which EVALSHA knows it."""

    name: str
    text: str
    sha1: str


@cache
def load(name: str) -> Script:
    """The script of that name from `protocol/scripts`."""
    folder = files("bullpen.protocol").joinpath("scripts")

    def part(included: str) -> str:
        return folder.joinpath("parts", f"{included}.lua").read_text("utf-8")

    text = used(resolve(folder.joinpath(f"{name}.lua").read_text("utf-8"), part))
    return Script(name=name, text=text, sha1=hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def resolve(text: str, part: Callable[[str], str]) -> str:
    """The text with each `--- include <name>` line replaced by that part, once.

    Parts include what they need themselves; a part asked for again is already in scope (Lua locals of the
    same chunk), so later mentions resolve to nothing. That also ends cycles.
    """
    seen: set[str] = set()

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name in seen:
            return ""
        seen.add(name)
        return _INCLUDE.sub(replace, part(name)).rstrip("\n")

    return _INCLUDE.sub(replace, text)


def used(text: str) -> str:
    """The text without comments and the functions that nothing names: Redis makes each of them anew in every call."""
    text = _COMMENT.sub("", text)
    while unused := _unused(text):
        for function in unused:
            text = text.replace(function, "", 1)
    return text


def _unused(text: str) -> list[str]:
    named = Counter(re.findall(r"\w+", text))
    return [found[0] for found in _FUNCTION.finditer(text) if named[found[1]] == 1]
