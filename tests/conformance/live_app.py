"""The app of our worker in the live tests: its jobs end as their data says, like those of node/driver.mjs."""

from __future__ import annotations

import asyncio
from typing import Any

from bullpen import App, Context
from bullpen.errors import BullpenError
from tests.conformance.sides import QUEUE

app = App()


@app.queue(QUEUE).job()
async def end_as_told(data: dict[str, Any], ctx: Context) -> Any:
    """Report, work for `ms`, then fail with `throw` or return `return`."""
    if "progress" in data:
        await ctx.progress(data["progress"])
    if "ms" in data:
        await asyncio.sleep(data["ms"] / 1000)
    if "throw" in data:
        # Our own errors are stored by their text alone; others begin with the name of their class.
        raise BullpenError(data["throw"])
    return data.get("return")
