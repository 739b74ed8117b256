"""What the commands of docs/what-if.md print: `python -m tests.unit.cli.transcripts` writes it anew."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

from bullpen.cli import main

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/what-if.md"
_BLOCK = re.compile(r"^```console\n\$ bullpen (\w+ --csv [^\n]*)\n(?:(?!```).*\n)*```$", re.MULTILINE)


def printed(command: str) -> str:
    """The output of `bullpen` with these words, in the root of the project."""
    out = io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main(shlex.split(command))
    return out.getvalue()


def written(page: str) -> str:
    """The page with what its commands print now; those without --csv need a queue and stand without output."""
    return _BLOCK.sub(lambda found: f"```console\n$ bullpen {found[1]}\n{printed(found[1]).rstrip()}\n```", page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
