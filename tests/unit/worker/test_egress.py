"""Where a webhook may go."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import pytest

from bullpen.runtime.egress import Answered, Forbidden, Unreached, objection, post, retry_after

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",  # carrier-grade NAT, and Alibaba's metadata service
    "169.254.169.254",  # metadata of most clouds
    "168.63.129.16",  # Azure
    "192.0.2.1",
    "224.0.0.1",
    "239.1.1.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",  # Amazon's metadata service
    "ff02::1",
    "ff0e::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert objection(ipaddress.ip_address(address)) is not None


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
)
def test_addresses_that_are(address: str) -> None:
    assert objection(ipaddress.ip_address(address)) is None


class Resolving(asyncio.SelectorEventLoop):
    """An event loop whose resolver gives one answer after the other, as a name that is rebound does."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[list[str]] = []

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        found = [ipaddress.ip_address(each) for each in self.answers.pop(0)]
        families = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [(families[each.version], socket.SOCK_STREAM, 6, "", (str(each), port)) for each in found]


def post_at(loop: Resolving, url: str, *, allow_private: bool = False) -> Answered:
    try:
        return loop.run_until_complete(post(url, b"{}", {}, allow_private=allow_private, now=0.0))
    finally:
        loop.close()


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["1.1.1.1", "::1"]])
def test_a_name_with_one_private_address_is_refused(addresses: list[str]) -> None:
    loop = Resolving()
    loop.answers.append(addresses)
    with pytest.raises(Forbidden, match="webhooks go to public addresses, unless allowed"):
        post_at(loop, "http://rebound.example/")


def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_asked() -> None:
    """Nothing listens at the first address; what the name would be a moment later is not even looked up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        loop = Resolving()
        loop.answers += [["127.0.0.2"], ["127.0.0.1"]]
        port = listening.getsockname()[1]
        with pytest.raises(Unreached, match=r"rebound\.example cannot be connected to"):
            post_at(loop, f"http://rebound.example:{port}/", allow_private=True)
        assert loop.answers == [["127.0.0.1"]]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("120", 120.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("9" * 400, None),
        ("٣", None),
    ],
)
def test_when_to_come_back(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, now=60.0) == seconds
