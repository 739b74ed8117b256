"""An error on its way from one process to another."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bullpen.context import Stopping
from bullpen.errors import Unrecoverable
from bullpen.runtime.deaths import with_trace
from bullpen.runtime.endings import text_of, trace_of
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
            message=text_of(error),
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
    # By its own rules; else, as many an error's `__init__` takes other arguments than `args`, by what it holds.
    for shape in (error, (type(error), error.args, vars(error))):
        try:
            text = pickle.dumps(shape)
        except Exception:  # noqa: BLE001, S112 - whatever the error's own code does: its likeness is carried
            continue
        if _unpickled(text) is not None:
            return text
    return None


def _unpickled(text: bytes) -> BaseException | None:
    try:
        found = pickle.loads(text)  # noqa: S301 - between two processes of one program
        if isinstance(found, tuple):
            kind, given, fields = found
            found = kind.__new__(kind, *given)
            vars(found).update(fields)
    except Exception:  # noqa: BLE001 - as above
        return None
    return found if isinstance(found, BaseException) else None
