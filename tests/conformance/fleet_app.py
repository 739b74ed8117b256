"""The app of our worker in the mixed fleet: it notes each start and end in a file, as `noting` of node/driver.mjs."""

from __future__ import annotations

import os
from typing import Any

from bullpen import App, Context
from tests.conformance.sides import QUEUE

app = App()
ledger = open(os.environ["FLEET_LEDGER"], "a", buffering=1)  # noqa: SIM115 - as long as the process


@app.queue(QUEUE).job()
async def note(data: dict[str, Any], ctx: Context) -> str:
    label: str = data["label"]
    ledger.write(f"start {label} {ctx.attempt}\n")
    if data.get("reports"):
        await ctx.progress(50)
        await ctx.log("half way")
    ledger.write(f"end {label} {ctx.attempt}\n")
    if data.get("fails") and ctx.attempt == 1:
        raise ValueError("the first try fails")
    return label
