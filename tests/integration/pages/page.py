"""The Python blocks of a page of the docs: modules, and what is run one after the other.

A block whose first line is a comment with the name of a file is (a further part of) that module; all others are steps
of one program, which may await. Run as `python page.py <page>`, it takes the steps of the page.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MODULE = re.compile(r"# (\w+)\.py\n")


@dataclass(frozen=True)
class Step:
    """One block, and the line of the page on which it begins."""

    text: str
    line: int

    def compiled(self, page: Path) -> CodeType:
        """Its line numbers are those of the page, so that a traceback shows where to look."""
        tree = ast.parse(self.text)
        ast.increment_lineno(tree, self.line - 1)
        code: CodeType = compile(tree, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        return code


def blocks(page: Path) -> list[Step]:
    text = page.read_text(encoding="utf-8")
    return [Step(found[1], text.count("\n", 0, found.start()) + 2) for found in _BLOCK.finditer(text)]


def modules(page: Path) -> dict[str, str]:
    """The modules of the page by name."""
    found: dict[str, str] = {}
    for block in blocks(page):
        if named := _MODULE.match(block.text):
            found[named[1]] = found.get(named[1], "") + block.text
    return found


def steps(page: Path) -> list[Step]:
    return [block for block in blocks(page) if not _MODULE.match(block.text)]


def main(page: Path) -> None:
    sys.path.insert(0, ".")
    names: dict[str, object] = {"__name__": "page"}
    with asyncio.Runner() as runner:
        for step in steps(page):
            code = step.compiled(page)
            if code.co_flags & inspect.CO_COROUTINE:
                runner.run(eval(code, names))
            else:
                exec(code, names)
        if "app" in names:
            runner.run(names["app"].aclose())  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
