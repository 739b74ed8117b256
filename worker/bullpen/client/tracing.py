"""The seam to whoever follows jobs from their producer to their worker (`bullpen.telemetry`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from bullpen.protocol.options import JobOptions


class Adding(Protocol):
    """An add under way; what it raises is its failure."""

    def carry(self, options: JobOptions) -> JobOptions:
        """The options with what lets the job's worker go on with the trace."""
        ...

    def added(self, job_ids: Sequence[str]) -> None:
        """The ids of the jobs that were added."""
        ...


class Tracing(Protocol):
    """Of a whole app."""

    def adding(self, operation: str, queue: str, *, name: str | None = None) -> AbstractContextManager[Adding]:
        """From here to the end of the block jobs are added to the queue; `name` is that of the only one."""
        ...
