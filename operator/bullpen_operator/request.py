"""One request to the API server over the official client: its transport and authentication, none of its models.

Of the operator and of the commands about pools, which share nothing else of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp
    from kubernetes.aio.client.api_client import ApiClient

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"


async def send(
    client: ApiClient,
    method: str,
    path: str,
    *,
    query: Mapping[str, str],
    body: dict[str, Any] | None,
    content_type: str,
    timeout: aiohttp.ClientTimeout,
) -> aiohttp.ClientResponse:
    """Send it; the body of the answer is yet to be read. Raises aiohttp's errors, OSError and ConfigException."""
    call = await client.param_serialize(
        method=method,
        resource_path=path,
        query_params=list(query.items()),
        header_params={"Accept": JSON, "Content-Type": content_type},
        body=body,
        auth_settings=["BearerToken"],
    )
    answer = await client.call_api(*call, _request_timeout=timeout)
    response: aiohttp.ClientResponse = answer.response
    return response
