"""Where the API server is and how to authenticate: from the pod we run in, or from a kubeconfig file.

The write port and the watch edge both start here, so that they can never speak to different clusters.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException
from yaml import YAMLError

if TYPE_CHECKING:
    from pathlib import Path

_IN_CLUSTER = "KUBERNETES_SERVICE_HOST"


class NoClusterError(Exception):
    """There is no way to an API server, or the way that was named cannot be used; a configuration error."""


async def access(kubeconfig: Path | None) -> Configuration:
    """The client configuration of the kubeconfig, or, without one, of the service account of the pod we run
    in.

    Never the user's current context by accident: a kubeconfig is named, or we are in a pod. Raises
    NoClusterError.
    """
    configuration = Configuration()
    # Retries belong to the engine, which decides anew each time; a client that repeats by itself writes what
    # is no longer meant.
    configuration.retries = 0
    try:
        if kubeconfig is not None:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
            )
        elif _IN_CLUSTER in os.environ:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            raise NoClusterError(
                "no Kubernetes to work on: KUBECONFIG is not set and this is no pod with a service account; "
                "set KUBECONFIG to the path of a kubeconfig file"
            )
    except (ConfigException, OSError, YAMLError, TypeError, ValueError) as error:
        where = f"kubeconfig {kubeconfig}" if kubeconfig is not None else "the pod's service account"
        words = str(error).splitlines()[0] if isinstance(error, ConfigException | OSError) else "it is no kubeconfig"
        raise NoClusterError(f"cannot use {where}: {words}") from error
    return configuration
