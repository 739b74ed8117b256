"""The quickstart's Node program, adding jobs with BullMQ as any Node program would."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from hack.stage.kubectl import ROOT, CommandFailed

PROGRAM = ROOT / "examples/quickstart/producer/add.mjs"


def produce(redis_url: str, *options: str, program: Path = PROGRAM, timeout: float = 120) -> dict[str, float]:
    """Run it to its end; ids of the jobs added → when they were added, in epoch seconds.

    Raises:
        CommandFailed: it ended with another exit code than 0.
    """
    command = ["node", str(program), *options]
    environment = {**os.environ, "REDIS_URL": redis_url}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
    )
    if done.returncode != 0:
        raise CommandFailed(command, done)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["id"]: row["addedAt"] / 1000 for row in rows}
