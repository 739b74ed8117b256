"""What a worker and its child processes say to each other: pickles of these, each after its length in eight bytes.

Both ends are one program on one machine. A job's data and result go as the JSON text they are.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import logging

    from bullpen.protocol.call import Argument
    from bullpen.runtime.carried import Carried

HEAD: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Setup:
    """The first word to a child: which app it serves, from where it imports, and what is logged."""

    app: str
    path: tuple[str, ...]
    level: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The app is imported."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """The app cannot be imported; the child ends."""

    error: Carried


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt at a job; `handler` is the name it is declared by, `deadline` in epoch seconds."""

    prefix: str
    queue: str
    handler: str | None
    job_id: str
    name: str
    number: int
    data: str
    logger: str
    deadline: float | None
    token: str
    saved: str | None


@dataclass(frozen=True, slots=True)
class StopWork:
    """The job should stop."""


@dataclass(frozen=True, slots=True)
class Leave:
    """No more jobs: close what is open, and end."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`ctx.progress`; `question` is answered when it is recorded."""

    question: int
    text: str
    shown: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """`ctx.log`."""

    question: int
    line: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A call for Redis, by the name of its script; answered by what Redis replies, as it came."""

    question: int
    command: tuple[Argument, ...]
    script: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a question, or why there is none."""

    question: int
    value: Any = None
    error: Carried | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A line for the worker's log."""

    record: logging.LogRecord


@dataclass(frozen=True, slots=True)
class Returned:
    """The job is done; `value` is JSON text."""

    value: str


@dataclass(frozen=True, slots=True)
class Raised:
    """The job raised."""

    error: Carried


def packed(message: object) -> bytes:
    """The message as it goes over the pipe."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEAD.pack(len(body)) + body
