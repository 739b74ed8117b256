from __future__ import annotations

import logging
from typing import Any

import pytest

from bullpen import BullpenError, ConnectionLost, JobMissing, LockLost, ProtocolError
from bullpen.protocol import Call
from bullpen.runtime import delivery
from bullpen.runtime.delivery import Delivery

CALL: Call[str] = Call(command=("PING",), parse=str)
LOGGER = logging.getLogger("test.delivery")


class Script:
    """A connection that answers as it is told, one answer a call."""

    def __init__(self, *answers: BullpenError | str) -> None:
        self.answers = list(answers)

    async def run(self, call: Call[Any]) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, BullpenError):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE_SECONDS", 0.001)


def lost(*, sent: bool) -> ConnectionLost:
    return ConnectionLost("gone", sent=sent)


@pytest.mark.parametrize(
    ("answers", "expected", "errors"),
    [
        pytest.param(["done"], "done", 0, id="an answer"),
        pytest.param([lost(sent=True), lost(sent=False), "done"], "done", 2, id="repeated until it is answered"),
        pytest.param([ProtocolError("OOM"), "done"], "done", 1, id="repeated when Redis refuses"),
        pytest.param([lost(sent=True), LockLost("no lock")], None, 1, id="the first try had done it"),
        pytest.param(
            [lost(sent=True), lost(sent=False), JobMissing("gone")], None, 2, id="or the job was removed since"
        ),
    ],
)
async def test_it_insists(answers: list[BullpenError | str], expected: str | None, errors: int) -> None:
    link = Script(*answers)
    queue = Delivery(link, logger=LOGGER)
    assert await queue.insist(CALL) == expected
    assert link.answers == []
    assert queue.errors == errors


@pytest.mark.parametrize("answers", [[LockLost("x")], [lost(sent=False), LockLost("x")]], ids=["at once", "never sent"])
async def test_a_lock_lost_before_anything_was_sent_is_told(answers: list[BullpenError]) -> None:
    with pytest.raises(LockLost):
        await Delivery(Script(*answers), logger=LOGGER).insist(CALL)


async def test_an_outage_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    queue = Delivery(Script(*[lost(sent=False)] * 5, "done", "done"), logger=LOGGER)
    await queue.insist(CALL)
    await queue.run(CALL)
    assert caplog.messages == ["gone; trying again until Redis answers", "Redis answers again"]
