"""The environment of a worker, read once; every bad value is one line that says what is allowed."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bullpen.durations import seconds
from bullpen.errors import ConfigurationError
from bullpen.protocol.keys import DEFAULT_PREFIX
from bullpen.protocol.location import LocationSource, RedisLocation
from bullpen.runtime.recycling import Limits
from bullpen.sizes import size_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

MODES = ("worker",)
LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379"
DEFAULT_CONCURRENCY = 10
DEFAULT_DRAIN_SECONDS = 30.0
MAX_CONCURRENCY = 10_000
LEAST_MEMORY = 2**25
_TLS_FILES = {
    "REDIS_TLS_CA_FILE": "ssl_ca_certs",
    "REDIS_TLS_CERT_FILE": "ssl_certfile",
    "REDIS_TLS_KEY_FILE": "ssl_keyfile",
}
"""Beside the URL, because one in a Secret cannot know where the pod mounts another Secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one worker process runs; `queue` None serves all queues of the app that have jobs.

    `child_memory` in bytes; None: what the container's limit leaves to each process. A child is replaced after
    `child_jobs` jobs. More than `stuck_jobs` that went
    on for `stuck_seconds` after they were given up end the worker.
    """

    redis: LocationSource
    app: str | None = None
    prefix: str = DEFAULT_PREFIX
    queue: str | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    pod_name: str = ""
    pod_uid: str | None = None
    drain_seconds: float = DEFAULT_DRAIN_SECONDS
    log_format: str = "text"
    log_level: str = "info"
    metrics_port: int | None = None
    webhook_concurrency: int = DEFAULT_CONCURRENCY
    webhook_allow_private: bool = False
    lock_seconds: float = 30.0
    stalled_seconds: float = 30.0
    child_memory: int | None = None
    child_jobs: int | None = None
    stuck_jobs: int = 0
    stuck_seconds: float = 10.0
    recycling: Limits = Limits()  # noqa: RUF009 - frozen


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """From the environment (empty values count as unset); raises one ConfigurationError, a line for each mistake."""
    return _Reader(os.environ if environ is None else environ).settings()


def redis_from_environment(environ: Mapping[str, str]) -> LocationSource:
    """REDIS_URL_FILE (read at each connect, so that a rotated Secret is picked up), else REDIS_URL, else localhost.

    REDIS_CLUSTER and the REDIS_TLS_ files add what the URL does not say.
    """
    path = environ.get("REDIS_URL_FILE")
    if path:
        return lambda: _completed(_location_in(Path(path)), environ)
    url = environ.get("REDIS_URL") or DEFAULT_REDIS_URL
    try:
        location = RedisLocation.parse(url)
    except ConfigurationError as error:
        raise ConfigurationError(f"REDIS_URL: {error}") from error
    return lambda: _completed(location, environ)


def _completed(location: RedisLocation, environ: Mapping[str, str]) -> RedisLocation:
    cluster = (environ.get("REDIS_CLUSTER") or "false").lower()
    if cluster not in ("true", "false"):
        raise ConfigurationError(f"REDIS_CLUSTER={cluster}: must be true or false")
    files = {option: environ[name] for name, option in _TLS_FILES.items() if environ.get(name)}
    for name in _TLS_FILES:
        if environ.get(name) and not Path(environ[name]).is_file():
            raise ConfigurationError(f"{name}={environ[name]}: there is no such file; mount the certificate there")
    try:
        location = location.as_cluster() if cluster == "true" else location
    except ConfigurationError as error:
        raise ConfigurationError(f"REDIS_CLUSTER=true: {error}") from error
    try:
        return location.over_tls(files) if files else location
    except ConfigurationError as error:
        given = " and ".join(name for name in _TLS_FILES if environ.get(name))
        raise ConfigurationError(f"{given}: {error}") from error


def _location_in(path: Path) -> RedisLocation:
    try:
        url = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"REDIS_URL_FILE={path}: cannot be read ({why}); mount the Secret there") from error
    try:
        return RedisLocation.parse(url)
    except ConfigurationError as error:
        raise ConfigurationError(f"REDIS_URL_FILE={path}: {error}") from error


class _Reader:
    """Reads variable by variable and collects what is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._wrong: list[str] = []

    def settings(self) -> Settings:
        environ = self._environ
        self._choice("MODE", MODES, default="worker")
        redis = self._try(lambda: self._checked_redis(), lambda: RedisLocation.parse(DEFAULT_REDIS_URL))
        settings = Settings(
            redis=redis,
            app=environ.get("BULLPEN_APP") or None,
            prefix=environ.get("QUEUE_PREFIX") or DEFAULT_PREFIX,
            queue=environ.get("QUEUE_NAME") or None,
            concurrency=self._number("QUEUE_CONCURRENCY", DEFAULT_CONCURRENCY, 1, MAX_CONCURRENCY),
            pod_name=environ.get("POD_NAME") or socket.gethostname(),
            pod_uid=environ.get("POD_UID") or None,
            drain_seconds=self._drain(),
            log_format=self._choice("LOG_FORMAT", LOG_FORMATS, default="text"),
            log_level=self._choice("LOG_LEVEL", LOG_LEVELS, default="info"),
            metrics_port=self._port(),
            child_memory=self._size("CHILD_MEMORY"),
            child_jobs=self._number("CHILD_MAX_JOBS", 0, 1, 10**12) or None,
            stuck_jobs=self._number("STUCK_JOBS", 0, 0, MAX_CONCURRENCY),
            webhook_concurrency=self._number("WEBHOOK_CONCURRENCY", DEFAULT_CONCURRENCY, 0, MAX_CONCURRENCY),
            webhook_allow_private=self._choice("WEBHOOK_ALLOW_PRIVATE", ("false", "true"), default="false") == "true",
            recycling=self._recycling(),
        )
        if self._wrong:
            raise ConfigurationError("\n".join(self._wrong))
        return settings

    def _checked_redis(self) -> LocationSource:
        source = redis_from_environment(self._environ)
        source()
        return source

    def _drain(self) -> float:
        text = self._environ.get("DRAIN_SECONDS")
        if not text:
            return DEFAULT_DRAIN_SECONDS
        return self._try(lambda: seconds(text, of=f"DRAIN_SECONDS={text}"), DEFAULT_DRAIN_SECONDS)

    def _size(self, name: str, least: int = 1, told: str = "") -> int | None:
        text = self._environ.get(name)
        if not text:
            return None
        size = self._try(lambda: size_bytes(text, of=f"{name}={text}"), None)
        if size is not None and size < least:
            self._wrong.append(f"{name}={text}: must be {told} at least")
        return size

    def _recycling(self) -> Limits:
        jobs = self._number("MAX_JOBS", 0, 1, 10**12)
        age = self._environ.get("MAX_AGE")
        return Limits(
            jobs=jobs or None,
            memory=self._size("MAX_MEMORY", LEAST_MEMORY, "32Mi"),
            age=self._try(lambda: self._age(age), None) if age else None,
        )

    def _age(self, text: str) -> float:
        age = seconds(text, of=f"MAX_AGE={text}")
        if age < 1:
            raise ConfigurationError(f"MAX_AGE={text}: must be a second at least, for example 12h")
        return age

    def _port(self) -> int | None:
        return self._number("METRICS_PORT", 0, 1, 65535) if self._environ.get("METRICS_PORT") else None

    def _number(self, name: str, default: int, lowest: int, highest: int) -> int:
        text = self._environ.get(name)
        if not text:
            return default
        if text.strip().isdecimal() and lowest <= int(text) <= highest:
            return int(text)
        self._wrong.append(f"{name}={text}: must be a whole number from {lowest} to {highest}")
        return default

    def _choice(self, name: str, allowed: tuple[str, ...], *, default: str) -> str:
        text = self._environ.get(name) or default
        if text.lower() in allowed:
            return text.lower()
        self._wrong.append(f"{name}={text}: must be {' or '.join(allowed)}")
        return default

    def _try(self, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except ConfigurationError as error:
            self._wrong.append(str(error))
            return otherwise
