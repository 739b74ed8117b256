"""The commands for pools: `bullpen pool`, and `kubectl bullpen` with them at its top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from bullpen.cli.command import version_option
from bullpen.cli.lazy import Entry, LazyGroup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECTIONS: Final[Mapping[str, Sequence[Entry]]] = {
    "Look": (
        Entry("status", "bullpen_operator.cli.look", "All pools, or one explained in words."),
        Entry("explain", "bullpen_operator.cli.look", "The arithmetic of a pool's last decision."),
        Entry("top", "bullpen_operator.cli.live", "Pools, live."),
    ),
    "Change": (
        Entry("pause", "bullpen_operator.cli.change", "Hold a pool's size."),
        Entry("resume", "bullpen_operator.cli.change", "Let it scale again."),
        Entry("pin", "bullpen_operator.cli.change", "Fix a pool's size."),
        Entry("unpin", "bullpen_operator.cli.change", "Let it scale again."),
        Entry("drain", "bullpen_operator.cli.change", "Let a pod take no more jobs."),
    ),
}
HELP: Final = {"help_option_names": ["-h", "--help"]}


@click.group(cls=LazyGroup, sections=SECTIONS, context_settings=HELP)
def pool() -> None:
    """Look after WorkerPools, the pools of workers in Kubernetes; `kubectl bullpen` has the same commands.

    It reads and changes the WorkerPool objects, with your kubeconfig: no Redis is needed.
    """


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    context_settings=HELP,
    epilog="`kubectl bullpen COMMAND --help` tells the rest; queues and jobs are the business of `bullpen`.",
)
@version_option
def kubectl_bullpen() -> None:
    """Look after WorkerPools: what each sees, what it decided and why; hold, pin and drain them."""
