"""Docker and Docker Compose as people run them, on the engine of `hack/cluster`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hack.cluster import engine
from hack.cluster.places import Places

CHECKOUT = Path(__file__).parents[2]
HARNESS = (sys.executable, str(CHECKOUT / "hack/cluster"))
SECONDS = 300


def environment() -> dict[str, str]:
    """What commands need to reach the engine; the harness has started one if there was none."""
    found = engine.find(Places.of(os.environ))
    assert found is not None, "no Docker engine: run `python3 hack/cluster build`"
    return {**os.environ, **found.env}


def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command to its end, whatever its exit code."""
    return subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, env=env, check=False
    )


def said(*words: str, env: dict[str, str] | None = None) -> str:
    """What a command prints that must succeed."""
    done = run(*words, env=env)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout.strip()
