"""Running commands: their output in the log, their end when ours comes, and the lock that outlives the harness."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hack.cluster.places import Places
from hack.cluster.processes import alive
from hack.cluster.steps import LOGS_KEPT, CommandFailed, Steps, ask

CHECKOUT = Path(__file__).parents[3]
CHILD = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests in the background ignores it
sys.path.insert(0, {str(CHECKOUT)!r})
from pathlib import Path
from hack.cluster.places import Places
from hack.cluster.steps import Steps
steps = Steps.begin(Places(Path(sys.argv[1])), "up")
with steps.lock("cluster"):
    print("held", flush=True)
    steps.run(["sh", "-c", "echo $$ > $0/pid; exec sleep 60", sys.argv[1]], timeout=60)
"""


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps.begin(Places(tmp_path), "up")


def test_a_failed_command_shows_its_last_lines_and_where_the_rest_is(steps: Steps) -> None:
    with pytest.raises(CommandFailed) as failed:
        steps.run(["sh", "-c", "seq 100; echo broken >&2; exit 3"], timeout=10)
    said = str(failed.value)
    assert "code 3" in said
    assert "broken" in said
    assert "| 50\n" not in said
    assert str(steps.log) in said
    assert "\n50\n" in steps.log.read_text()


def test_a_command_that_takes_too_long_ends_with_all_it_started(steps: Steps, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="longer than"):
        steps.run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait"], timeout=0.5)
    assert _gone(int((tmp_path / "pid").read_text()))


def test_a_command_reads_what_it_is_given_and_nothing_else(steps: Steps) -> None:
    steps.run(["grep", "-q", "config"], timeout=10, stdin=b"config")
    with pytest.raises(CommandFailed):
        steps.run(["grep", "-q", "config"], timeout=10)


def test_asking_a_program_that_does_not_exist_is_no_answer() -> None:
    assert ask(["/nowhere/program"]) is None
    assert ask(["false"]) is None
    assert ask(["echo", "yes"]) == "yes"


def test_old_logs_are_removed(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.logs.mkdir(parents=True)
    for number in range(LOGS_KEPT + 5):
        (places.logs / f"20200101-0000{number:02}-up-1.log").touch()
    Steps.begin(places, "up")
    left = sorted(path.name for path in places.logs.iterdir())
    assert len(left) == LOGS_KEPT
    assert "20200101-000000-up-1.log" not in left


def test_a_lock_is_taken_once_by_the_same_run_and_free_afterwards(steps: Steps, tmp_path: Path) -> None:
    with steps.lock("tools"), steps.lock("tools"):
        pass
    with Steps.begin(Places(tmp_path), "down").lock("tools"):
        pass


def test_an_interrupted_harness_ends_its_command_and_frees_the_lock(
    steps: Steps, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = _child(tmp_path)
    child.send_signal(signal.SIGINT)
    assert child.wait(10) != 0
    assert _gone(int((tmp_path / "pid").read_text()))
    with steps.lock("cluster"):
        assert "waiting" not in capsys.readouterr().err


def test_a_killed_harness_leaves_the_lock_to_what_it_started(
    steps: Steps, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = _child(tmp_path)
    child.kill()
    child.wait(10)
    orphan = int((tmp_path / "pid").read_text())
    ender = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill {orphan}"])
    with steps.lock("cluster"):
        said = capsys.readouterr().err
    assert f"waiting for pid {child.pid}" in said
    assert _gone(orphan)
    ender.wait(10)


def _child(directory: Path) -> subprocess.Popen[str]:
    """A harness that holds the lock `cluster` and runs a command, once it does both."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "held\n"
    deadline = time.monotonic() + 10
    pid = directory / "pid"
    while not (pid.exists() and pid.read_text().endswith("\n")):
        assert time.monotonic() < deadline, "the command did not start"
        time.sleep(0.02)
    return child


def _gone(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    deadline = time.monotonic() + 10
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
