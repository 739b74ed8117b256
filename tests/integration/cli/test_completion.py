"""What a shell is told when TAB is pressed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.integration.cli.conftest import Command


def completed(bullpen_process: Command, *words: str, **environ: str) -> list[str]:
    typed = " ".join(("bullpen", *words))
    said = bullpen_process(_BULLPEN_COMPLETE="bash_complete", COMP_WORDS=typed, COMP_CWORD=str(len(words)), **environ)
    assert said.err == ""
    return [line.partition(",")[2] for line in said.lines if line]


def test_commands_options_and_queues_are_completed(bullpen: Command, bullpen_process: Command) -> None:
    for queue in ("videos", "voices", "emails"):
        bullpen("add", queue, "x").ok()
    assert completed(bullpen_process, "re") == ["retry", "remove", "resume", "replay"]
    assert completed(bullpen_process, "inspect", "v") == ["videos", "voices"]
    assert completed(bullpen_process, "pause", "emails", "vo") == ["voices"]
    assert "--older-than" in completed(bullpen_process, "clean", "--o")
    assert completed(bullpen_process, "inspect", "--prefix", "other", "v") == []


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "nonsense"])
def test_without_a_redis_there_are_no_queues_and_no_complaint(bullpen_process: Command, url: str) -> None:
    assert completed(bullpen_process, "inspect", "v", REDIS_URL=url) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_of_the_shells(bullpen: Command, shell: str) -> None:
    said = bullpen("completion", shell).ok()
    assert "_BULLPEN_COMPLETE" in said.out
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=said.out, text=True, check=True, timeout=20)
