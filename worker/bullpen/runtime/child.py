"""What runs in a child process: `python -m bullpen.runtime.child <descriptor of its pipe> <its parent's pid>`.

The main thread imports the app and does one job after the other; a second one listens to the parent.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import logging
import os
import pickle
import pkgutil
import queue
import signal
import socket
import sys
import threading
from dataclasses import replace
from logging.handlers import QueueHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from bullpen import sync
from bullpen.app import App
from bullpen.context import Answer, Context
from bullpen.errors import ConfigurationError
from bullpen.protocol.call import nothing
from bullpen.protocol.keys import QueueKeys
from bullpen.runtime.carried import Carried
from bullpen.runtime.execution import progress_text
from bullpen.runtime.handler import Handler, encode_result
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
from bullpen.runtime.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bullpen.protocol.call import Call

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1


class Pipe:
    """The child's end. Any thread may send."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._file = end.makefile("rb")

    def send(self, message: object) -> None:
        with self._lock:
            self._end.sendall(packed(message))

    def receive(self) -> Any:
        """The parent's next message; raises EOFError when it is gone."""
        head = self._file.read(HEAD.size)
        if len(head) < HEAD.size:
            raise EOFError
        return pickle.loads(self._file.read(*HEAD.unpack(head)))  # noqa: S301 - our own parent


class Questions:
    """What was asked of the parent and is not answered yet."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[concurrent.futures.Future[Any], Callable[[Any], Any]]] = {}

    def ask(self, message: Callable[[int], object], parse: Callable[[Any], T]) -> Answer[T]:
        answer: concurrent.futures.Future[T] = concurrent.futures.Future()
        number = next(self._numbers)
        self._open[number] = (answer, parse)
        self._pipe.send(message(number))
        return Answer(answer)

    def answered(self, reply: Reply) -> None:
        answer, parse = self._open.pop(reply.question)
        if not answer.set_running_or_notify_cancel():
            return
        if reply.error is not None:
            answer.set_exception(reply.error.error())
            return
        try:
            answer.set_result(parse(reply.value))
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            answer.set_exception(error)


class ChildExecution:
    """`bullpen.context.Execution` over the pipe."""

    def __init__(self, order: Order, questions: Questions) -> None:
        self.job_id = order.job_id
        self.name = order.name
        self.queue = order.queue
        self.number = order.number
        self.deadline = order.deadline
        self.token = order.token
        self.saved = order.saved
        self.keys = QueueKeys(order.prefix, order.queue)
        self.logger = logging.getLogger(order.logger)
        self.stopping = False
        self.cancel: Callable[[], object] | None = None
        self._questions = questions

    def report_progress(self, value: object) -> Answer[None]:
        text, shown = progress_text(value)
        return self._questions.ask(lambda number: Progress(number, text, shown), nothing)

    def report_log(self, line: str) -> Answer[None]:
        return self._questions.ask(lambda number: LogLine(number, line), nothing)

    def ask(self, call: Call[T]) -> Answer[T]:
        script = None if call.script is None else call.script.name
        return self._questions.ask(lambda number: Ask(number, call.command, script), call.parse)

    def stop(self) -> None:
        """The job should stop; from the thread that listens."""
        self.stopping = True
        if self.cancel is not None:
            self.cancel()


class Child:
    """The two threads of a child and what they share."""

    def __init__(self, pipe: Pipe, app: App) -> None:
        self._pipe = pipe
        self._app = app
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._questions = Questions(pipe)
        self._execution: ChildExecution | None = None

    def serve(self) -> None:
        """Do jobs until told to leave. One event loop serves all of them, so that what is opened on it stays usable."""
        threading.Thread(target=self._listen, name="parent", daemon=True).start()
        self._pipe.send(Ready())
        resources = Resources(self._app.around.resources)
        with asyncio.Runner() as runner:
            try:
                while (order := self._orders.get()) is not None:
                    self._pipe.send(self._done(order, runner, resources))
            finally:
                runner.run(resources.aclose())

    def _done(self, order: Order, runner: asyncio.Runner, resources: Resources) -> Returned | Raised:
        code = None
        self._execution = execution = ChildExecution(order, self._questions)
        try:
            handler = self._handler(order)
            code = handler.code
            named = runner.run(resources.provide(handler)) if handler.needs else {}
            value = _call(handler, order, execution, runner, named)
            return Returned(encode_result(value).decode())
        except BaseException as error:  # noqa: BLE001 - SystemExit of a job is that job's failure
            return Raised(Carried.of(error, code))
        finally:
            self._execution = None
            for stream in (sys.stdout, sys.stderr):
                stream.flush()  # the next job may be killed

    def _handler(self, order: Order) -> Handler:
        declared = self._app.queues.get(order.queue)
        for handler in () if declared is None else declared.handlers:
            if handler.name == order.handler:
                return handler
        raise ConfigurationError(
            f"the job {order.handler!r} of queue {order.queue!r} is not declared in a process of its own: "
            "declare it when the module is imported"
        )

    def _listen(self) -> None:
        while True:
            try:
                message = self._pipe.receive()
            except (EOFError, OSError):
                os._exit(1)  # the parent is gone, and whatever runs here is somebody else's by now
            match message:
                case Order():
                    self._orders.put(message)
                case Reply():
                    self._questions.answered(message)
                case StopWork() if self._execution is not None:
                    self._execution.stop()
                case Leave():
                    self._orders.put(None)


class PipeHandler(QueueHandler):
    """Hands log records to the parent, in whose format they are written."""

    queue: Pipe  # type: ignore[assignment]

    def enqueue(self, record: logging.LogRecord) -> None:
        self.queue.send(Record(record))


def _call(
    handler: Handler, order: Order, execution: ChildExecution, runner: asyncio.Runner, named: Mapping[str, Any]
) -> Any:
    arguments = handler.arguments(order.data, lambda: Context(execution))
    returned = handler.function(*arguments, **named)
    if not asyncio.iscoroutine(returned):
        return returned

    async def run() -> Any:
        task, loop = asyncio.ensure_future(returned), asyncio.get_running_loop()
        execution.cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        if execution.stopping:
            task.cancel()
        return await task

    try:
        return runner.run(run())
    finally:
        execution.cancel = None


def _die_with(parent: int) -> None:
    """The kernel kills this process when its parent ends, however that ends (Linux); elsewhere the pipe's end does."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # it had ended before that


def _leave_signals_to_the_parent() -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        # A handler, because what is ignored stays ignored in the programs that a job starts.
        signal.signal(each, lambda _number, _frame: None)


def _be_the_first_to_go() -> None:
    # Where the kernel ends one process of a container that has no memory left, it should not be the worker.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _imported(reference: str) -> App:
    found = pkgutil.resolve_name(reference)
    if isinstance(found, sync.App):
        found = found.awaiting
    if not isinstance(found, App):
        raise ConfigurationError(f"app {reference!r} is a {type(found).__qualname__} in a process of its own")
    return found


def main() -> NoReturn:
    """Serve the parent until it says that it is enough."""
    _die_with(int(sys.argv[2]))
    _leave_signals_to_the_parent()
    _be_the_first_to_go()
    pipe = Pipe(socket.socket(fileno=int(sys.argv[1])))
    setup: Setup = pipe.receive()
    sys.path[:] = setup.path
    to_parent = PipeHandler(pipe)  # type: ignore[arg-type]
    to_parent.setFormatter(logging.Formatter("%(message)s"))  # the rest of the line is the parent's
    logging.basicConfig(handlers=[to_parent], level=setup.level, force=True)
    App._connects = False  # noqa: SLF001 - nobody else should
    try:
        app = _imported(setup.app)
    except BaseException as error:  # noqa: BLE001 - whatever the app's module does: the parent tells
        pipe.send(Unfit(replace(Carried.of(error), pickled=None)))
        sys.exit(1)
    Child(pipe, app).serve()
    sys.exit(0)


if __name__ == "__main__":
    main()
