"""`top`: the pools, again and again."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from bullpen.cli.output import clean, dumped, plain_table, table
from bullpen.cli.target import as_json
from bullpen.errors import ConnectionLost
from bullpen_operator.cli.apiserver import Access, ApiServer, on_cluster, pool_names
from bullpen_operator.cli.look import COLUMNS, everywhere, row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Raw = dict[str, Any]


@click.command()
@click.argument("pools", nargs=-1, metavar="[POOL]...", shell_complete=pool_names)
@everywhere
@click.option(
    "--interval", type=click.FloatRange(0.5, 3600), default=2.0, show_default=True, help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="One look.")
@as_json
@on_cluster
def top(
    pools: tuple[str, ...], everywhere: bool, interval: float, once: bool, as_json: bool, access: Access
) -> None:  # fmt: skip
    """Show all pools, or each POOL, until Ctrl-C; in a pipe it prints a table each time.

    Numbers are those of the pools' status: pods at once, the queue at most a minute old. For jobs second by second:
    bullpen top.
    """

    async def look(server: ApiServer) -> list[Raw]:
        if everywhere or not pools:
            found = await server.pools(everywhere=everywhere)
            return [row(pool) for pool in found if not pools or pool["metadata"]["name"] in pools]
        return [row(await server.pool(name)) for name in pools]

    async def watch(server: ApiServer) -> None:
        if not (once or as_json) and sys.stdout.isatty():
            await _live(lambda: look(server), interval)
            return
        while True:
            rows = await look(server)
            click.echo(dumped({"at": int(time.time() * 1000), "pools": rows}) if as_json else _as_text(rows))
            sys.stdout.flush()
            if once:
                return
            await asyncio.sleep(interval)

    access.run(watch)


async def _live(look: Callable[[], Awaitable[list[Raw]]], interval: float) -> None:
    """On the whole terminal, until it is cancelled."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    trouble = ""
    rows = await look()
    with Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live:
        while True:
            head = Text(time.strftime("%H:%M:%S") + f"  every {interval:g} s, Ctrl-C ends  {clean(trouble)}")
            body = table(COLUMNS, _cells(rows)) if rows else Text("no pools")
            live.update(Group(head, Text(), body), refresh=True)
            await asyncio.sleep(interval)
            try:
                rows, trouble = await look(), ""
            except ConnectionLost as error:
                trouble = str(error)  # the last numbers stay, and the next look tries again


def _cells(rows: list[Raw]) -> list[list[str]]:
    return [[clean(column.show(row[column.key])) for column in COLUMNS] for row in rows]


def _as_text(rows: list[Raw]) -> str:
    return "\n".join([time.strftime("%H:%M:%S"), *(plain_table(COLUMNS, _cells(rows)) if rows else ["no pools"]), ""])
