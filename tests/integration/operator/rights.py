"""What the ACL user of the operator has to be allowed, as docs/redis.md has it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs/redis.md"
_LINE = re.compile(r"^> ACL SETUSER operator on >PASSWORD ~bull:\* (.+)$", re.MULTILINE)


def rights() -> list[str]:
    """From the page itself, so that whoever goes by it has enough."""
    found = _LINE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None, f"{PAGE} has no line for the operator"
    return found.group(1).split()
