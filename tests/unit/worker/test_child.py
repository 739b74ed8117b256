"""What a child process does without, so that it starts soon."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from bullpen.runtime import child
from bullpen import App
App._connects = {connects}
app = App(redis="redis://:secret@redis:6379/1")
heavy = {{"redis", "hiredis", "httpx", "psutil", "opentelemetry"}}
print(sorted({{name.partition(".")[0] for name in sys.modules}} & heavy))
"""


def loaded(*, connects: bool) -> str:
    program = PROGRAM.format(connects=connects)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_a_child_leaves_out_what_it_takes_to_connect() -> None:
    assert loaded(connects=False) == "[]\n"


def test_other_processes_load_it_when_the_app_is_made() -> None:
    assert "'redis'" in loaded(connects=True)
