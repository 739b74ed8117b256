from __future__ import annotations

import os
from pathlib import Path

import pytest

from bullpen.protocol.causes import Cause
from bullpen.runtime.deaths import ProcessDied
from bullpen.runtime.memory import OomKills, resident_bytes

V2 = "low 0\nhigh 3\nmax 12\noom {0}\noom_kill {0}\noom_group_kill 0\n"
V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {0}\n"


@pytest.mark.parametrize("text", [pytest.param(V2, id="cgroup v2"), pytest.param(V1, id="cgroup v1")])
def test_each_process_that_the_kernel_killed_is_told_once(tmp_path: Path, text: str) -> None:
    file = tmp_path / "memory.events"
    file.write_text(text.format(3))
    kills = OomKills([tmp_path / "not-mounted", file])
    assert not kills.another()  # those before our time
    file.write_text(text.format(5))
    assert [kills.another() for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("text", [None, "", "low 0\n"], ids=["no file", "empty", "a kernel that does not count"])
def test_where_the_kernel_does_not_say_nothing_is_told(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "memory.events"
    if text is not None:
        file.write_text(text)
    assert not OomKills([file]).another()


def test_what_a_process_died_of() -> None:
    killed = ProcessDied(-9, oom=True)
    assert killed.cause is Cause.OOM
    assert str(killed) == "the job's process was killed by SIGKILL: the container has no memory left"
    assert (ProcessDied(-9).cause, ProcessDied(4).cause) == (Cause.SIGNAL, Cause.ERROR)


def test_memory_of_a_process_and_of_none() -> None:
    assert resident_bytes(os.getpid()) > 2**20
    assert resident_bytes(2**22 + 1) == 0  # beyond Linux' highest pid
