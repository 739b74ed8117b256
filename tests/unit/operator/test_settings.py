"""The operator's environment: defaults, and one line for each thing that cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bullpen_operator.settings import BadSettings, Settings, settings_from

if TYPE_CHECKING:
    from pathlib import Path


def test_an_empty_environment_is_fine() -> None:
    assert settings_from({}) == Settings()


def test_every_variable_is_read(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.touch()
    environment = {
        "WATCH_NAMESPACE": "media, sound,media",
        "TICK_SECONDS": "0.5",
        "LOG_LEVEL": "Debug",
        "LOG_FORMAT": "text",
        "HTTP_PORT": "8080",
        "KUBECONFIG": str(kubeconfig),
        "POD_NAME": "operator-0",
        "POD_NAMESPACE": "ops",
        "LEASE_NAME": "my.lease",
        "LEADER_ELECTION": "off",
    }
    assert settings_from(environment) == Settings(
        namespaces=("media", "sound"),
        tick_seconds=0.5,
        log_level="DEBUG",
        log_json=False,
        http_port=8080,
        kubeconfig=kubeconfig,
        pod_name="operator-0",
        pod_namespace="ops",
        lease_name="my.lease",
        leader_election=False,
    )


def test_where_the_lease_can_be_there_is_leader_election() -> None:
    assert settings_from({"POD_NAMESPACE": "ops"}).leader_election
    assert settings_from({"POD_NAMESPACE": "ops", "LEADER_ELECTION": "on"}).leader_election
    assert not settings_from({}).leader_election


BAD = {
    "a tick of nothing": ({"TICK_SECONDS": "0"}, ["TICK_SECONDS='0'"]),
    "a tick that is no number": ({"TICK_SECONDS": "often"}, ["TICK_SECONDS='often'"]),
    "a port beyond the last": ({"HTTP_PORT": "70000"}, ["HTTP_PORT='70000'"]),
    "a port with a fraction": ({"HTTP_PORT": "80.5"}, ["HTTP_PORT='80.5'"]),
    "an unknown level": ({"LOG_LEVEL": "loud"}, ["LOG_LEVEL='loud'"]),
    "an unknown format": ({"LOG_FORMAT": "xml"}, ["LOG_FORMAT='xml'"]),
    "a namespace in capitals": ({"WATCH_NAMESPACE": "ok,Media"}, ["'Media'"]),
    "a kubeconfig that is not there": ({"KUBECONFIG": "/nowhere/config"}, ["KUBECONFIG='/nowhere/config'"]),
    "an election nowhere": ({"LEADER_ELECTION": "on"}, ["LEADER_ELECTION='on' needs POD_NAMESPACE"]),
    "an election of sorts": ({"LEADER_ELECTION": "maybe"}, ["LEADER_ELECTION='maybe'"]),
    "a namespace of the pod in capitals": ({"POD_NAMESPACE": "Ops"}, ["POD_NAMESPACE='Ops'"]),
    "a Lease without a name": ({"LEASE_NAME": "a_lease"}, ["LEASE_NAME='a_lease'"]),
    "several at once": ({"HTTP_PORT": "x", "LOG_LEVEL": "y"}, ["LOG_LEVEL='y'", "HTTP_PORT='x'"]),
}


@pytest.mark.parametrize("row", BAD.values(), ids=BAD.keys())
def test_what_cannot_be_used_is_named_with_its_value_one_line_each(row: tuple[dict[str, str], list[str]]) -> None:
    environment, words = row
    with pytest.raises(BadSettings) as caught:
        settings_from(environment)
    assert len(caught.value.lines) == len(words)
    for line, word in zip(caught.value.lines, words, strict=True):
        assert word in line
        assert ":" in line, "and what to do"
