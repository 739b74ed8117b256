"""The command line: usage errors are 2, what cannot be done is 1 and one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster.command import COMMANDS, parser

CHECKOUT = Path(__file__).parents[3]


def harness(*words: str, cache: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHECKOUT / "hack/cluster"), *words]
    full = {**os.environ, "XDG_CACHE_HOME": str(cache), "DOCKER_HOST": f"unix://{cache}/none.sock", **env}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=full, cwd=cache, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    assert f"python3 hack/cluster {command}" in capsys.readouterr().out


@pytest.mark.parametrize("nodes", ["0", "-1", "10", "two", "", "1.5", "²"])
def test_a_wrong_number_of_nodes_is_a_usage_error(nodes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["up", f"--nodes={nodes}"])
    assert ended.value.code == 2
    assert f"{nodes!r} is no number of nodes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["kubeconfig"], "make one with: python3 hack/cluster up", id="no cluster, so no kubeconfig"),
        pytest.param(["load", "x:1"], "no Docker engine answers", id="no engine to load from"),
        pytest.param(["address", "redis"], "no Docker engine answers", id="no cluster that has an address"),
        pytest.param(["build", "wroker"], "'wroker'", id="an image nobody knows"),
        pytest.param(["build", "-f", "x"], "-t TAG", id="a Dockerfile without a tag"),
        pytest.param(["build", "-t", "x:1", "a", "b"], "a b", id="two contexts"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path: Path, words: list[str], sentence: str) -> None:
    done = harness(*words, cache=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_engine_and_tools_up_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    done = harness("up", cache=tmp_path, PATH=str(tmp_path / "bin"))
    assert done.returncode == 1
    assert "no Docker engine answers" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "bullpen").write_text("a file where the directory should be")
    done = harness("status", cache=tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/bullpen" in done.stderr
    assert "XDG_CACHE_HOME" in done.stderr


def test_status_without_anything_is_1_and_creates_nothing(tmp_path: Path) -> None:
    done = harness("status", cache=tmp_path)
    assert done.returncode == 1
    assert "cluster     none" in done.stdout


def test_down_without_anything_is_safe(tmp_path: Path) -> None:
    assert harness("down", cache=tmp_path).returncode == 0


def test_it_runs_from_any_directory_with_the_standard_library_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(CHECKOUT / "hack/cluster"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
