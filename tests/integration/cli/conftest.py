"""`bullpen` in this process, against a real Redis: its exit code and what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bullpen.cli import main
from tests.integration.worker.house import EXAMPLES, environment


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def ok(self) -> Said:
        assert (self.code, self.err) == (0, ""), self.err
        return self


Command = Callable[..., Said]


@pytest.fixture
def bullpen(redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`bullpen("inspect", "videos")`, beside the apps of the worker's tests; variables by keyword."""

    def run(*arguments: str, **environ: str) -> Said:
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.setattr(os, "environ", environment(redis_url, **environ))
        monkeypatch.chdir(EXAMPLES)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        output = capsys.readouterr()
        return Said(int(str(ended.value.code)), output.out, output.err)

    return run


@pytest.fixture
def bullpen_process(redis_url: str) -> Command:
    """The same as a process of its own."""

    def run(*arguments: str, **environ: str) -> Said:
        command = [sys.executable, "-m", "bullpen.cli", *arguments]
        done = subprocess.run(
            command,
            env=environment(redis_url, **environ),
            cwd=EXAMPLES,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return run
