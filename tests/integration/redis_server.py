"""A real redis-server for tests: a free port and a directory of its own, ended by its own pid."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from hack.cluster.places import Places
from hack.servers import SERVERS, present, program

DATABASES = 64
START_SECONDS = 20.0


def programs() -> dict[str, str | Path]:
    """The servers to test with: the one on the PATH, and those of `make setup`, which in CI must all be there."""
    places = Places.of(os.environ)
    names = list(SERVERS) if os.environ.get("CI") else present(places)
    return {"installed": "redis-server", **{name: program(name, places) for name in names}}


class RedisServer:
    """One server process; it can be killed, stopped in its tracks and started again on the same port."""

    def __init__(
        self, directory: Path, *arguments: str, port: int | None = None, program: str | Path = "redis-server"
    ) -> None:
        self.directory = directory
        self.program = program
        self.port = port or free_port()
        self.arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        program = shutil.which(self.program)
        assert program, f"{self.program} is not there: run make setup, which gets every server"
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [program, *self._options(), *self.arguments]
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._await_answer()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=20)
        self._process = None

    def _options(self) -> list[str]:
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        return [*place, "--save", "", "--appendonly", "no", "--databases", str(DATABASES), "--daemonize", "no"]

    def _await_answer(self) -> None:
        """Any reply will do, -NOAUTH included."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.poll() is None, (self.directory / "redis.log").read_text()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(64):
                        return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"redis-server on port {self.port} did not answer within {START_SECONDS} s")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
