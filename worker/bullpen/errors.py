"""Every error Bullpen raises, in one leaf module that all rooms may import."""

from __future__ import annotations


class BullpenError(Exception):
    """Whatever Bullpen raises on purpose."""


class ConfigurationError(BullpenError):
    """A setting, URL or argument that cannot work; the command line exits with 2."""


class ConnectionLost(BullpenError):
    """Redis could not be asked, or its answer did not arrive.

    `sent` is False when no byte of the call can have reached the server: repeating it is then always safe.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class JobMissing(BullpenError):
    """No job of that id exists in the queue."""


class LockLost(BullpenError):
    """The caller does not own the job any more; whoever owns it decides its outcome (protocol §4.2)."""


class WrongState(BullpenError):
    """A job or a queue is not in the state that the operation needs; nothing was changed."""


class JobFailed(BullpenError):
    """The awaited job ended in `failed`; the message is its failed reason."""


class Unrecoverable(BullpenError):
    """Raised by a job to fail at once, without using its remaining attempts (protocol §5.4)."""


class ProtocolError(BullpenError):
    """A reply or a stored value that the protocol does not know, or a command Redis refused."""
