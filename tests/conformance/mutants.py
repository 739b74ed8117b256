"""The table of planted faults and what catches each: `make mutants`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.conformance.arena import Arena, compare_steps, opened, run
from tests.conformance.checklist import SCENARIOS
from tests.conformance.mutations import MUTATIONS, Mutation
from tests.conformance.node_side import NodeDriver
from tests.conformance.sides import Refused
from tests.integration.redis_server import RedisServer

if TYPE_CHECKING:
    from bullpen.protocol.scripts import Script

GENERATION = 5  # one is enough here: what is on trial is the comparison


@dataclass(frozen=True, slots=True)
class Trial:
    """Which scripts of the scenario held the fault, and what differed: none means that it went unnoticed."""

    planted: frozenset[str]
    differences: tuple[str, ...]


async def tried(mutation: Mutation, arena: Arena) -> Trial:
    """Run the mutation's scenario on BullMQ as it is and on ours with the fault."""
    planted: set[str] = set()

    def alter(script: Script) -> Script:
        altered = mutation.alter(script)
        if altered.text != script.text:
            planted.add(script.name)
        return altered

    checked = SCENARIOS[mutation.item]
    theirs = await run(checked.scenario, arena.node())
    faulty = arena.ours(alter=alter)
    # The scenario's own assertions may end it early. What is on trial is the comparison, up to there.
    with suppress(AssertionError, KeyError, Refused):
        await run(checked.scenario, faulty)
    found = compare_steps(theirs[: len(faulty.steps)], faulty.steps, generation=arena.generation, item=checked.number)
    return Trial(frozenset(planted), found.unexpected)


async def _show() -> int:
    table = Table("fault", "in", "item", "first difference", title=f"{len(MUTATIONS)} faults planted into our Lua")
    missed = 0
    with tempfile.TemporaryDirectory(prefix="bullpen-mutants-") as directory:
        server = RedisServer(Path(directory))
        server.start()
        try:
            driver = await NodeDriver.start(GENERATION, port=server.port, db=GENERATION)
            async with opened(driver, server.port) as arena:
                for mutation in MUTATIONS:
                    trial = await tried(mutation, arena)
                    missed += not trial.differences
                    caught = trial.differences[0] if trial.differences else "NOT CAUGHT"
                    item = str(SCENARIOS[mutation.item].number)
                    table.add_row(mutation.fault, " ".join(sorted(trial.planted)), item, caught)
            await driver.close()
        finally:
            server.stop()
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    print(f"{len(MUTATIONS) - missed} of {len(MUTATIONS)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_show()))
