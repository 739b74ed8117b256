"""The API server as a user has it: by their kubeconfig, context and namespace."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from bullpen.errors import BullpenError, ConfigurationError, ConnectionLost, WrongState
from bullpen_operator.api.pool import GROUP, PLURAL, VERSION
from bullpen_operator.cli.extra import needed
from bullpen_operator.request import MERGE, send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from click.shell_completion import CompletionItem
    from kubernetes.aio.client.api_client import ApiClient

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")
Raw = dict[str, Any]

FIELD_MANAGER: Final = "kubectl-bullpen"
_TIMEOUT: Final = 10.0
_COMPLETE_SECONDS: Final = 2.0
_CHUNK: Final = 500
_NO_VALUE: Final = 'Invalid value: "object": '
"""What the API server puts before the message of a rule; it says nothing."""
_IN_CLUSTER: Final = "KUBERNETES_SERVICE_HOST"


@dataclass(frozen=True, slots=True)
class Access:
    """What `--kubeconfig`, `--context` and `--namespace` said."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None

    def run(self, work: Callable[[ApiServer], Awaitable[T]]) -> T:
        """Do something there, on an event loop of its own. Raises ConfigurationError, and what `work` raises."""
        return asyncio.run(self._run(work))

    async def _run(self, work: Callable[[ApiServer], Awaitable[T]]) -> T:
        with needed("Kubernetes"):
            from kubernetes.aio.client.api_client import ApiClient
        configuration, namespace = await self._configuration()
        client = ApiClient(configuration)
        try:
            return await work(ApiServer(client, self.namespace or namespace))
        finally:
            await client.close()  # type: ignore[no-untyped-call]

    async def _configuration(self) -> tuple[Any, str]:
        """The client's configuration, and the namespace of the context."""
        from kubernetes.aio import config
        from kubernetes.aio.client import Configuration
        from yaml import YAMLError

        logging.getLogger("kubernetes").addHandler(logging.NullHandler())  # what it warns of is an error here
        made = Configuration()
        made.retries = 0
        if self.kubeconfig is None and not os.environ.get("KUBECONFIG") and _IN_CLUSTER in os.environ:
            config.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]
            return made, _own_namespace()
        where = self.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        try:
            loader = await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=self.kubeconfig, context=self.context, client_configuration=made, persist_config=False
            )
        except (config.ConfigException, OSError, YAMLError, TypeError, ValueError) as error:
            words = str(error).splitlines()[0] if str(error) else "it is no kubeconfig"
            raise ConfigurationError(
                f"cannot use the kubeconfig {where}: {words}; name one with --kubeconfig or KUBECONFIG, and a context "
                "of it with --context"
            ) from error
        return made, (loader.current_context["context"].get("namespace") or "default")


def _own_namespace() -> str:
    with open("/var/run/secrets/kubernetes.io/serviceaccount/namespace", encoding="utf-8") as file:
        return file.read().strip()


class ApiServer:
    """Reads and patches as JSON; `namespace` is the one that holds unless another is named."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self.namespace = namespace

    async def pools(self, *, everywhere: bool = False) -> list[Raw]:
        """All WorkerPools of the namespace, or of the cluster."""
        place = "" if everywhere else f"/namespaces/{self.namespace}"
        found: list[Raw] = []
        token = ""
        while True:
            query = {"limit": str(_CHUNK)} | ({"continue": token} if token else {})
            page = await self._call("GET", f"/apis/{GROUP}/{VERSION}{place}/{PLURAL}", query=query)
            found += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    async def pool(self, name: str) -> Raw:
        """One WorkerPool. Raises WrongState when there is none of that name; the message names those there are."""
        from difflib import get_close_matches

        try:
            return await self._call("GET", self._pool(name))
        except Missing:
            others = [pool["metadata"]["name"] for pool in await self.pools()]
            close = get_close_matches(name, others, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(others[:10]) or 'none'}"
            raise WrongState(f"no WorkerPool {name!r} in namespace {self.namespace!r}: {hint}") from None

    async def patch_pool(self, name: str, spec: Raw) -> Raw:
        """Merge these fields into the spec of a pool. Raises WrongState with the API server's words when it refuses."""
        await self.pool(name)
        return await self._call("PATCH", self._pool(name), body={"spec": spec})

    async def pod(self, name: str) -> Raw:
        """One pod. Raises WrongState when there is none."""
        try:
            return await self._call("GET", f"/api/v1/namespaces/{self.namespace}/pods/{name}")
        except Missing:
            raise WrongState(f"no pod {name!r} in namespace {self.namespace!r}") from None

    async def pods(self, selector: str) -> list[Raw]:
        """Pods with these labels."""
        found = await self._call(
            "GET", f"/api/v1/namespaces/{self.namespace}/pods", query={"labelSelector": selector, "limit": str(_CHUNK)}
        )
        items: list[Raw] = found["items"]
        return items

    async def annotate_pod(self, name: str, annotations: Mapping[str, str | None]) -> Raw:
        """Set annotations of a pod; None takes one away."""
        return await self._call(
            "PATCH",
            f"/api/v1/namespaces/{self.namespace}/pods/{name}",
            body={"metadata": {"annotations": dict(annotations)}},
        )

    def _pool(self, name: str) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}/{name}"

    async def _call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Raw | None = None
    ) -> Raw:
        import aiohttp

        asked = {**(query or {}), **({"fieldManager": FIELD_MANAGER} if body is not None else {})}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        try:
            response = await send(
                self._client, method, path, query=asked, body=body, content_type=MERGE, timeout=timeout
            )
            payload = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            words = f"no answer within {_TIMEOUT:g} s" if isinstance(error, TimeoutError) else str(error)
            raise ConnectionLost(f"cannot reach the API server: {words}", sent=method != "GET") from error
        if response.status >= 400:
            raise _refusal(response.status, payload)
        answer: Raw = json.loads(payload)
        return answer


class Missing(WrongState):
    """The API server knows no such object."""


def _refusal(status: int, payload: bytes) -> BullpenError:
    try:
        words = str(json.loads(payload)["message"]).replace(_NO_VALUE, "")
    except (ValueError, KeyError, TypeError):
        if status == 404:  # of a path that it does not serve; of an object it says so in JSON
            return ConfigurationError(f"the cluster knows no {PLURAL}.{GROUP}: install the operator's chart first")
        words = f"HTTP {status}"
    if status == 404:
        return Missing(words)
    if status in (401, 403):
        return ConfigurationError(f"the API server refuses: {words}")
    return WrongState(words)


def on_cluster(function: F) -> F:
    """Give a command `--namespace`, `--context`, `--kubeconfig` and `--debug`; it gets an `access`."""
    from bullpen.cli.target import debug

    @functools.wraps(function)
    def called(*args: Any, namespace: str | None, context: str | None, kubeconfig: str | None, **kwargs: Any) -> Any:
        return function(*args, access=Access(kubeconfig, context, namespace), **kwargs)

    for option in reversed(
        (
            click.option("-n", "--namespace", metavar="NAME", help="The pool's namespace (else the context's)."),
            click.option("--context", metavar="NAME", help="A context of the kubeconfig (else its current one)."),
            click.option("--kubeconfig", metavar="FILE", help="Which kubeconfig (KUBECONFIG, ~/.kube/config)."),
            debug,
        )
    ):
        called = option(called)
    return called  # type: ignore[return-value]


def _names(
    ctx: click.Context, look: Callable[[ApiServer], Awaitable[list[Raw]]], incomplete: str
) -> list[CompletionItem]:
    """For the shell, which has no place for why there are none."""
    from click.shell_completion import CompletionItem

    access = Access(ctx.params.get("kubeconfig"), ctx.params.get("context"), ctx.params.get("namespace"))

    async def within(server: ApiServer) -> list[Raw]:
        async with asyncio.timeout(_COMPLETE_SECONDS):
            return await look(server)

    try:
        found = access.run(within)
    except (BullpenError, TimeoutError):
        return []
    names = sorted(item["metadata"]["name"] for item in found)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def pool_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completion of a pool's name."""
    return _names(ctx, lambda server: server.pools(), incomplete)


def pod_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completion of a worker pod's name."""
    from bullpen_operator.api.pods import POOL_LABEL

    return _names(ctx, lambda server: server.pods(POOL_LABEL), incomplete)


pool_argument = click.argument("pool", metavar="POOL", shell_complete=pool_names)
