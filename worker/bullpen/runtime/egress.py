"""One POST to somewhere that a user named: never to an address of our own network, unless that is allowed.

The name is resolved here, each address is checked, and the connection goes to the address that was checked, so that a
name which resolves to something else a moment later (DNS rebinding) changes nothing. No redirect is followed, no proxy
of the environment is used, and of the answer only its head is read.
"""

from __future__ import annotations

import asyncio
import email.utils
import functools
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Standard Webhooks, "Request timeouts": 15 to 30 s.
ANSWER_SECONDS: Final = 20.0
CONNECT_SECONDS: Final = 5.0
_MOST_ADDRESSES: Final = 4
# Public addresses that lead to the host's own infrastructure: Azure's WireServer.
_INFRASTRUCTURE: Final = frozenset(map(ipaddress.ip_address, ("168.63.129.16",)))
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(Exception):
    """The name leads to an address that must not be asked."""


class Unreached(Exception):
    """There was no answer; the message says why, and names no more of the URL than its host."""


@dataclass(frozen=True, slots=True)
class Answered:
    """`retry_after` in seconds, None when the other side did not say."""

    status: int
    retry_after: float | None = None


async def post(url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool, now: float) -> Answered:
    """Send it; `now` in epoch seconds. Raises Forbidden or Unreached."""
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Forbidden(f"the url is none: {error}") from error
    host = target.host
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            addresses = await _resolved(host, target.port or (443 if target.scheme == "https" else 80))
            if not allow_private:
                for address in addresses:
                    if why := objection(address):
                        raise Forbidden(f"{host} is {address}, {why}: webhooks go to public addresses, unless allowed")
            return await _sent(target, addresses, body, headers, now)
    except TimeoutError:
        raise Unreached(f"{host} did not answer within {ANSWER_SECONDS:.0f} s") from None


def objection(address: Address) -> str | None:
    """Why an address must not be asked, None when it is a public one."""
    inner = _inner(address)
    if inner in _INFRASTRUCTURE:
        return "which belongs to the infrastructure of a cloud"
    if inner.is_loopback or inner.is_unspecified:
        return "which is this host"
    if inner.is_link_local:
        return "which is link-local, as metadata services are"
    if inner.is_multicast or not inner.is_global:
        return "which is not public"
    return None


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, in the ways by which it would be reached."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


async def _resolved(host: str, port: int) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreached(f"{host} cannot be resolved: {error}") from error
    return list(dict.fromkeys(ipaddress.ip_address(place[0]) for *_, place in found))


async def _sent(
    target: httpx.URL, addresses: list[Address], body: bytes, headers: Mapping[str, str], now: float
) -> Answered:
    trusted = await asyncio.to_thread(_trusted)  # reads all certificates, the first time
    pool = httpx.AsyncHTTPTransport(verify=trusted, limits=httpx.Limits(max_keepalive_connections=0))
    async with pool:
        for place, address in enumerate(addresses[:_MOST_ADDRESSES], 1):
            request = httpx.Request(
                "POST",
                target.copy_with(host=str(address)),
                headers={"Host": target.netloc.decode("ascii"), **headers},
                content=body,
                extensions={
                    "sni_hostname": target.raw_host.decode("ascii"),
                    "timeout": httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS).as_dict(),
                },
            )
            try:
                response = await pool.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if place == min(len(addresses), _MOST_ADDRESSES):
                    raise Unreached(f"{target.host} cannot be connected to: {_said(error)}") from error
            except httpx.TransportError as error:
                raise Unreached(f"{target.host} did not answer: {_said(error)}") from error
            else:
                await response.aclose()
                return Answered(response.status_code, retry_after(response.headers.get("retry-after"), now=now))
    raise Unreached(f"{target.host} has no address")


def retry_after(value: str | None, *, now: float) -> float | None:
    """Seconds from now, of a header that holds seconds or a date (RFC 9110 §10.2.3); None when it holds neither."""
    if value is None:
        return None
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


@functools.cache
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context()
