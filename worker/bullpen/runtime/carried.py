"""An error on its way from one process to another."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bullpen.context import Stopping
from bullpen.errors import Unrecoverable
from bullpen.runtime.deaths import with_trace
from bullpen.runtime.endings import trace_of
from bullpen.signals import Signal

if TYPE_CHECKING:
    from types import CodeType


@dataclass(frozen=True, slots=True)
class Carried:
    """`pickled` is the error itself where that can be, so that a custom backoff sees its fields; else a likeness."""

    pickled: bytes | None
    kind: str
    message: str
    unrecoverable: bool
    trace: str

    @classmethod
    def of(cls, error: BaseException, code: CodeType | None = None) -> Carried:
        """An error that was raised here; its stack trace begins with the function of this code."""
        return cls(
            pickled=_pickled(error),
            kind=type(error).__name__,
            message=_text(error),
            unrecoverable=isinstance(error, Unrecoverable),
            trace=trace_of(error, code),
        )

    def error(self) -> BaseException:
        """The error, or one that reads like it, with the stack trace of where it came from."""
        error = _unpickled(self.pickled) if self.pickled is not None else None
        if error is None:
            base = Unrecoverable if self.unrecoverable else Exception
            error = type(self.kind, (base,), {})(self.message)
        return with_trace(error, self.trace)


def _pickled(error: BaseException) -> bytes | None:
    # SystemExit and its like end whoever lets them out, StopIteration a coroutine: none is raised in the worker.
    if not isinstance(error, Exception | Signal | Stopping) or isinstance(error, StopIteration | StopAsyncIteration):
        return None
    try:
        text = pickle.dumps(error)
    except Exception:  # noqa: BLE001 - whatever the error's own code does: its likeness is carried
        return None
    return text if _unpickled(text) is not None else None


def _unpickled(text: bytes) -> BaseException | None:
    try:
        error = pickle.loads(text)  # noqa: S301 - between two processes of one program
    except Exception:  # noqa: BLE001 - as above
        return None
    return error if isinstance(error, BaseException) else None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as fault:  # noqa: BLE001 - an error that cannot even be shown is still the job's
        return f"(its text cannot be had: {type(fault).__name__})"
