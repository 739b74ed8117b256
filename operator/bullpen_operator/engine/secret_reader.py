"""Secrets for the queues room, which knows nothing of Kubernetes: the port's errors as reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bullpen_operator.api.reasons import Reason
from bullpen_operator.cluster.port import ClusterError
from bullpen_operator.queues.secrets import SecretUnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bullpen_operator.cluster.port import Cluster
    from bullpen_operator.queues.secrets import SecretReader


def secret_reader(cluster: Cluster) -> SecretReader:
    """Reads one Secret by name; what the API server says against it becomes a reason and a sentence."""

    async def read(*, namespace: str, name: str) -> Mapping[str, bytes]:
        secret = f"Secret {namespace}/{name}"
        try:
            return await cluster.read_secret(namespace=namespace, name=name)
        except ClusterError as error:
            if error.missing:
                reason, words = (
                    Reason.SECRET_MISSING,
                    f"{secret} does not exist: create it, with what the pool's redis takes from it",
                )
            elif error.forbidden:
                reason = Reason.SECRET_FORBIDDEN
                words = (
                    f"the operator may not read {secret}: name it in the chart value redis.secretNames, "
                    "and with scope cluster its namespace in redis.secretNamespaces"
                )
            else:
                reason, words = Reason.UNREACHABLE, f"{secret} could not be read: {error.message}"
            raise SecretUnreadableError(reason, words) from error

    return read
