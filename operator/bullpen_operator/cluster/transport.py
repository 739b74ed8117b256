"""Requests to the API server over the official asyncio client: a timeout on each, and a fence before those that write.

The client's transport and authentication are used, its thousand models are not: objects go in and out as JSON, because
a model of another release silently drops the fields it does not know.
"""

from __future__ import annotations

import asyncio
import copy
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.config import ConfigException

from bullpen_operator.cluster.fence import FencedError
from bullpen_operator.cluster.port import ClusterError
from bullpen_operator.request import JSON, send

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from types import TracebackType

    from kubernetes.aio.client import Configuration

    from bullpen_operator.cluster.fence import Fence
    from bullpen_operator.cluster.port import Raw

AGENT = "bullpen-operator"
_READS = frozenset({"GET", "LIST", "WATCH"})

# ConfigException: the token, read again each minute, is just being replaced. OSError: TimeoutError is one.
_UNREACHED = (aiohttp.ClientError, OSError, ConfigException)


class Transport:
    """Sends one request at a time for each of `concurrency` callers, each for at most `timeout` seconds.

    `on_request` hears of every answer: verb, resource, status code (0: none came). What writes passes the `fence`, if
    there is one, and waits for its answer no longer than the fence is open. `agent`: the User-Agent, by which
    the API server's audit log tells replicas apart, who share a service account.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        timeout: float,
        concurrency: int,
        on_request: Callable[[str, str, int], None],
        fence: Fence | None = None,
        agent: str = AGENT,
    ) -> None:
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)
        self._on_request = on_request
        self._fence = fence
        self._reader = ApiClient(configuration)
        self._writer = ApiClient(_fenced(configuration, fence)) if fence is not None else self._reader
        for client in (self._reader, self._writer):
            client.user_agent = agent

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for client in {self._reader, self._writer}:
            await client.close()  # type: ignore[no-untyped-call]

    async def call(
        self,
        verb: str,
        resource: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Raw | None = None,
        content_type: str = JSON,
    ) -> Raw:
        """One request and its answer. `verb`: the HTTP method, or LIST. Raises ClusterError."""
        try:
            status, payload = await self._bounded(verb, path, query or {}, body, content_type)
        except FencedError as error:
            raise ClusterError(status=0, reason="NotLeader", message=f"{verb} {path}: not sent, {error}") from error
        except _UNREACHED as error:
            self._on_request(verb, resource, 0)
            raise ClusterError(
                status=0, reason="NoAnswer", message=f"{verb} {path}: {str(error) or type(error).__name__}"
            ) from error
        self._on_request(verb, resource, status)
        if status >= 400:
            raise _refusal(status, payload, what=f"{verb} {path}")
        return _parsed(payload, what=f"{verb} {path} ({status})")

    async def lines(self, resource: str, path: str, *, query: Mapping[str, str]) -> AsyncGenerator[Raw]:
        """The objects of a watch, until the API server ends it. Raises ClusterError.

        Only its beginning has a timeout: how long a silence is too long, the caller knows.
        """
        what = f"WATCH {path}"
        unbounded = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._send("WATCH", path, query, None, JSON, unbounded)
            self._on_request("WATCH", resource, response.status)
            with closing(response):
                if response.status >= 400:
                    raise _refusal(response.status, await response.read(), what=what)
                async for line in response.content:
                    yield _parsed(line, what=what)
        except _UNREACHED as error:
            raise ClusterError(
                status=0, reason="NoAnswer", message=f"{what}: {str(error) or type(error).__name__}"
            ) from error

    async def _bounded(
        self, verb: str, path: str, query: Mapping[str, str], body: Raw | None, content_type: str
    ) -> tuple[int, bytes]:
        if self._fence is None or verb in _READS:
            return await self._answer(verb, path, query, body, content_type, self._timeout)
        with self._fence.passing():
            left = min(self._timeout, self._fence.left())
            return await self._answer(verb, path, query, body, content_type, left)

    async def _answer(
        self, verb: str, path: str, query: Mapping[str, str], body: Raw | None, content_type: str, timeout: float
    ) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(timeout), self._slots:
                total = aiohttp.ClientTimeout(total=timeout)
                response = await self._send(verb, path, query, body, content_type, total)
                return response.status, await response.read()
        except TimeoutError as error:
            raise TimeoutError(f"no answer within {timeout:g} s") from error

    async def _send(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str],
        body: Raw | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        client = self._reader if verb in _READS else self._writer
        method = "GET" if verb in _READS else verb
        return await send(client, method, path, query=query, body=body, content_type=content_type, timeout=timeout)


def _fenced(configuration: Configuration, fence: Fence) -> Configuration:
    """A configuration whose requests ask the fence when a connection is there and the first byte is about to leave."""

    async def ask(*_: Any) -> None:
        fence.check()

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(ask)  # despite its name called before they are written
    fenced = copy.copy(configuration)
    fenced.trace_configs = [trace]  # a name that the client looks for, though its class does not declare it
    return fenced


def _parsed(payload: bytes, *, what: str) -> Raw:
    try:
        answer: Raw = json.loads(payload)
    except ValueError as error:
        raise ClusterError(status=0, reason="NoJson", message=f"{what}: the answer is no JSON") from error
    return answer


def _refusal(status: int, payload: bytes, *, what: str) -> ClusterError:
    """The API server's own words (a Status object) where it spoke, else the status alone."""
    try:
        answer = json.loads(payload)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return ClusterError(status=status, reason="Unknown", message=f"{what}: HTTP {status}")
    reason = str(answer.get("reason") or "Unknown")
    return ClusterError(status=status, reason=reason, message=str(answer.get("message") or f"{what}: HTTP {status}"))
