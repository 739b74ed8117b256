"""One child process, as its worker sees it: it does one job at a time, and may be killed at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from bullpen.errors import BullpenError
from bullpen.protocol.call import Call, as_it_came
from bullpen.protocol.scripts import load
from bullpen.runtime.carried import Carried
from bullpen.runtime.deaths import Died, OutOfMemory, ProcessDied
from bullpen.runtime.handler import Encoded
from bullpen.runtime.memory import OomKills, resident_bytes
from bullpen.runtime.messages import (
    HEAD,
    Ask,
    Leave,
    LogLine,
    Order,
    Progress,
    Raised,
    Ready,
    Record,
    Reply,
    Returned,
    Setup,
    StopWork,
    Unfit,
    packed,
)
from bullpen.runtime.recycling import Limits
from bullpen.sizes import spoken_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from bullpen.runtime.execution import JobExecution

# What a dead process had said is in the pipe already.
LAST_WORDS_SECONDS: Final = 1.0
NO_LIMITS: Final = Limits()


class Process:
    """Its life is one task: `life` ends when the process is gone and has been waited for, and calls `gone` then.

    A process leads a group of its own: a signal to the worker's group does not reach it, and with it is killed what
    it has started.
    """

    def __init__(
        self, *, cap: int | None, limits: Limits = NO_LIMITS, kills: OomKills, gone: Callable[[Process], None]
    ) -> None:
        self.cap = cap
        self._limits = limits
        self._kills = kills
        self.pid = 0
        self.jobs = 0
        self.resident_when_ready = 0
        self.life: asyncio.Task[None] | None = None
        self.dead = False
        self._gone = gone
        self._why: BaseException | None = None
        self._job: JobExecution | None = None
        self._outcome: asyncio.Future[Encoded] | None = None
        self._answering: set[asyncio.Task[None]] = set()

    # --- its life ------------------------------------------------------------------------------------------------

    async def start(self, setup: Setup) -> None:
        """Return when it has imported the app; raises what it could not be started for, or died of."""
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bullpen.runtime.child", str(theirs.fileno()), str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,
            )
        self.pid = process.pid
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._send(setup)
        self.life = loop.create_task(self._live(process, reader))
        await self._ready

    async def _live(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader) -> None:
        listening = asyncio.create_task(self._listen(reader))
        code = await process.wait()
        self.dead = True
        self._kill_group()  # what it had started
        await asyncio.wait({listening}, timeout=LAST_WORDS_SECONDS)
        listening.cancel()
        await asyncio.gather(listening, *self._answering, return_exceptions=True)
        self._writer.close()
        oom = self._why is None and code == -signal.SIGKILL and self._kills.another()
        error = self._why or ProcessDied(code, oom=oom)
        for waiting in (self._ready, self._outcome):
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # nobody may wait for it any more
        self._gone(self)

    def kill(self, why: Died | None = None) -> None:
        """End it at once, and what it has started; `why` becomes the error of its job. From any thread."""
        if self.dead:
            return
        if self._why is None:
            self._why = why
        self._kill_group()

    def exceeded(self, used: int) -> None:
        """It has more memory than its cap. Called by the thread that watches."""
        if self.cap is not None and self._why is None:
            self.kill(OutOfMemory(cap=self.cap, used=used))

    def outlived(self) -> str | None:
        """Why it should be replaced rather than do another job; None while it may stay."""
        used = resident_bytes(self.pid)
        if used > 1.25 * self.resident_when_ready:  # else a new one would have as much
            # The next job would pay for what former ones have left behind.
            kept, most = f"it keeps {spoken_size(used)} of memory after its jobs", self._limits.memory
            if self.cap is not None and used > self.cap / 2:
                return f"{kept}, and may have {spoken_size(self.cap)}"
            if most is not None and used > most:
                return f"{kept}; its share of MAX_MEMORY is {spoken_size(most)}"
        return self._limits.reached(jobs=self.jobs, memory=0, age=0)

    def leave(self) -> None:
        """Ask it to end by itself, once it has nothing to do."""
        self._send(Leave())

    def _kill_group(self) -> None:
        if not self.pid:
            return  # it is being started; group 0 would be our own
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    # --- its job -------------------------------------------------------------------------------------------------

    async def run(self, order: Order, job: JobExecution) -> Encoded:
        """Do one job; raises what it raises, or what the process died of. Cancelled, it kills the process."""
        self.jobs += 1
        self._job = job
        self._outcome = asyncio.get_running_loop().create_future()
        if self.dead:
            raise self._why or ProcessDied(-signal.SIGKILL)
        self._send(order)
        try:
            return await self._outcome
        except asyncio.CancelledError:
            self.kill()
            if self.life is not None:
                await asyncio.shield(self.life)  # a job is not given to others before it has ended here
            raise
        finally:
            self._job = self._outcome = None

    def tell(self) -> None:
        """Let the job see that it should stop."""
        self._send(StopWork())

    def _send(self, message: object) -> None:
        if not self.dead:
            self._writer.write(packed(message))

    # --- what it says --------------------------------------------------------------------------------------------

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                (size,) = HEAD.unpack(await reader.readexactly(HEAD.size))
                self._hear(pickle.loads(await reader.readexactly(size)))  # noqa: S301 - our own child
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # its end: `_live` knows more about it
        except Exception:
            # Only damage of the pipe by the job's own code comes here: nothing it says makes sense any more.
            logging.getLogger("bullpen.WorkerService").exception("Process %d is not understood: killing it", self.pid)
            self.kill()

    def _hear(self, message: object) -> None:
        match message:
            case Record(record=record):
                logger = logging.getLogger(record.name)
                if logger.isEnabledFor(record.levelno):
                    logger.handle(record)
            case Ready():
                self.resident_when_ready = resident_bytes(self.pid)
                self._ready.set_result(None)
            case Unfit(error=carried):
                self._why = carried.error()
            case Returned(value=value):
                self._settle(Encoded(value))
            case Raised(error=carried):
                self._settle(carried.error())
            case Progress() | LogLine() | Ask() if self._job is not None:
                self._question(message, self._job)

    def _settle(self, outcome: Encoded | BaseException) -> None:
        if self._outcome is None or self._outcome.done():
            return
        if isinstance(outcome, BaseException):
            self._outcome.set_exception(outcome)
        else:
            self._outcome.set_result(outcome)

    def _question(self, message: Progress | LogLine | Ask, job: JobExecution) -> None:
        match message:
            case Progress(text=text, shown=shown):
                answer: Any = job.record_progress(text, shown)
            case LogLine(line=line):
                answer = job.report_log(line)
            case Ask(command=command, script=script):
                call: Call[Any] = Call(command, as_it_came, None if script is None else load(script))
                answer = job.answer(call)
        task = asyncio.ensure_future(self._answer(message.question, answer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, question: int, answer: Any) -> None:
        try:
            reply = Reply(question, value=await answer)
        except BullpenError as error:
            reply = Reply(question, error=Carried.of(error))
        except asyncio.CancelledError:
            return  # the job is not ours any more, and is being killed
        self._send(reply)
