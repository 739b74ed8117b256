"""The write port: what the engine asks for, as requests of `Transport`."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from bullpen_operator.api.pods import POOL_LABEL
from bullpen_operator.api.pool import API_VERSION, GROUP, KIND, PLURAL, VERSION
from bullpen_operator.cluster.port import FIELD_MANAGER, ClusterError, Kind, Listing, Raw
from bullpen_operator.cluster.transport import AGENT, Transport
from bullpen_operator.request import MERGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from kubernetes.aio.client import Configuration

    from bullpen_operator.cluster.fence import Fence

_APPLY = "application/apply-patch+yaml"
_CHUNK = 500

OWNED = f"app.kubernetes.io/managed-by={FIELD_MANAGER}"
"""The label selector of what belongs to pools, evaluated by the API server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where the API server has the objects of a kind, and which of them are watched: those that the selector matches,
    evaluated by the API server.
    """

    group: str
    version: str
    plural: str
    selector: str = ""

    def path(self, namespace: str | None) -> str:
        root = f"/apis/{self.group}" if self.group else "/api"
        scope = f"/namespaces/{namespace}" if namespace is not None else ""
        return f"{root}/{self.version}{scope}/{self.plural}"


SERVED: Final[Mapping[Kind, Served]] = {
    Kind.POOL: Served(group=GROUP, version=VERSION, plural=PLURAL),
    Kind.DEPLOYMENT: Served(group="apps", version="v1", plural="deployments", selector=OWNED),
    Kind.BUDGET: Served(group="policy", version="v1", plural="poddisruptionbudgets", selector=OWNED),
    Kind.POD: Served(group="", version="v1", plural="pods", selector=POOL_LABEL),
    # KEDA scales by one of these too, whose target is the same.
    Kind.SCALER: Served(group="autoscaling", version="v2", plural="horizontalpodautoscalers"),
}


class KubernetesCluster:
    """The `Cluster` protocol over HTTP. `on_request` hears of every answer: verb, resource, status code (0:
    none came). Every write passes the `fence`. `agent` as in `Transport`.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        fence: Fence,
        timeout: float = 10.0,
        concurrency: int = 16,
        on_request: Callable[[str, str, int], None],
        agent: str = AGENT,
    ) -> None:
        self._transport = Transport(
            configuration, timeout=timeout, concurrency=concurrency, on_request=on_request, fence=fence, agent=agent
        )
        self._call = self._transport.call

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, traceback)

    async def list_all(self, kind: Kind, *, namespace: str | None) -> Listing:
        served = SERVED[kind]
        query = {"labelSelector": served.selector} if served.selector else {}
        items: list[Raw] = []
        token = ""
        while True:
            page_query = {**query, "limit": str(_CHUNK)} | ({"continue": token} if token else {})
            page = await self._call("LIST", served.plural, served.path(namespace), query=page_query)
            items += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return Listing(items, page["metadata"]["resourceVersion"])

    async def find_deployment(self, *, namespace: str, name: str) -> Raw | None:
        # A list with a field selector, because the operator is granted list and watch, and get for Secrets
        # alone.
        page = await self._call(
            "LIST",
            "deployments",
            f"/apis/apps/v1/namespaces/{namespace}/deployments",
            query={"fieldSelector": f"metadata.name={name}"},
        )
        found: list[Raw] = page["items"]
        return found[0] if found else None

    async def apply_deployment(self, deployment: Raw, *, dry_run: bool = False) -> Raw:
        namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
        # Forced: what the pool's spec says wins over whoever else wrote the same field; the rest of the
        # object is left to them.
        query = {"fieldManager": FIELD_MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        return await self._call(
            "PATCH",
            "deployments",
            f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
            query=query,
            body=deployment,
            content_type=_APPLY,
        )

    async def scale_deployment(self, *, namespace: str, name: str, replicas: int, resource_version: str) -> Raw:
        return await self._call(
            "PATCH",
            "deployments",
            f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
            query={"fieldManager": FIELD_MANAGER},
            body={"metadata": {"resourceVersion": resource_version}, "spec": {"replicas": replicas}},
            content_type=MERGE,
        )

    async def write_budget(self, budget: Raw) -> Raw:
        metadata = budget["metadata"]
        path = f"/apis/policy/v1/namespaces/{metadata['namespace']}/poddisruptionbudgets"
        query = {"fieldManager": FIELD_MANAGER}
        if "resourceVersion" not in metadata:  # a create, because an apply would take over somebody else's
            return await self._call("POST", "poddisruptionbudgets", path, query=query, body=budget)
        path += f"/{metadata['name']}"
        return await self._call("PATCH", "poddisruptionbudgets", path, query=query, body=budget, content_type=MERGE)

    async def delete_budget(self, *, namespace: str, name: str, uid: str, resource_version: str) -> None:
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        await self._call(
            "DELETE",
            "poddisruptionbudgets",
            f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/{name}",
            body={"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions},
        )

    async def annotate_pod(
        self,
        *,
        namespace: str,
        name: str,
        uid: str,
        resource_version: str,
        annotations: Mapping[str, str | None],
    ) -> Raw:
        metadata = {"uid": uid, "resourceVersion": resource_version, "annotations": dict(annotations)}
        return await self._call(
            "PATCH",
            "pods",
            f"/api/v1/namespaces/{namespace}/pods/{name}",
            query={"fieldManager": FIELD_MANAGER},
            body={"metadata": metadata},
            content_type=MERGE,
        )

    async def apply_status(
        self, *, namespace: str, name: str, uid: str, resource_version: str, status: Mapping[str, Any]
    ) -> Raw:
        # The uid is a precondition: a pool deleted and made again under its name does not inherit the old
        # one's status.
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": resource_version},
            "status": dict(status),
        }
        return await self._call(
            "PATCH",
            f"{PLURAL}/status",
            f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}/{name}/status",
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=body,
            content_type=_APPLY,
        )

    async def read_secret(self, *, namespace: str, name: str) -> Mapping[str, bytes]:
        secret = await self._call("GET", "secrets", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        try:
            return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
        except binascii.Error as error:
            # Not chained with its value: an exception's text must never hold a piece of a Secret.
            raise ClusterError(
                status=200, reason="Malformed", message=f"Secret {namespace}/{name} is not base64"
            ) from error

    async def create_event(self, event: Raw) -> Raw:
        namespace = event["metadata"]["namespace"]
        return await self._call(
            "POST",
            "events",
            f"/apis/events.k8s.io/v1/namespaces/{namespace}/events",
            query={"fieldManager": FIELD_MANAGER},
            body=event,
        )

    async def patch_event(self, *, namespace: str, name: str, patch: Raw) -> Raw:
        return await self._call(
            "PATCH",
            "events",
            f"/apis/events.k8s.io/v1/namespaces/{namespace}/events/{name}",
            query={"fieldManager": FIELD_MANAGER},
            body=patch,
            content_type=MERGE,
        )
