"""The operator's settings, all of them environment variables that the chart sets."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123 label
_LONGEST_NAME = 253
_LEVELS = ("debug", "info", "warning", "error")


class BadSettings(Exception):
    """Some variables cannot be used; one line each: the name, its value, what to do."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this operator runs. `namespaces` empty: the whole cluster. Port 0: any free one."""

    namespaces: tuple[str, ...] = ()
    tick_seconds: float = 1.0
    log_level: str = "INFO"
    log_json: bool = True
    http_port: int = 9464
    kubeconfig: Path | None = None
    pod_name: str = "bullpen-operator"
    leader_election: bool = False
    lease_name: str = "bullpen-operator"
    pod_namespace: str = ""
    """Where the Lease is."""


def settings_from(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read WATCH_NAMESPACE, TICK_SECONDS, LOG_LEVEL, LOG_FORMAT, HTTP_PORT, KUBECONFIG, POD_NAME, POD_NAMESPACE,
    LEADER_ELECTION and LEASE_NAME. Leader election is on by default where it is known in which namespace.

    Raises BadSettings with a line for each bad one.
    """
    trouble: list[str] = []
    pod_namespace = _namespace_of_pod(environment, trouble)
    found = Settings(
        namespaces=_namespaces(environment, trouble),
        tick_seconds=_number(environment, "TICK_SECONDS", 1.0, least=0.1, most=60.0, trouble=trouble),
        log_level=_choice(environment, "LOG_LEVEL", _LEVELS, "info", trouble).upper(),
        log_json=_choice(environment, "LOG_FORMAT", ("json", "text"), "json", trouble) == "json",
        http_port=int(_number(environment, "HTTP_PORT", 9464, least=0, most=65535, trouble=trouble)),
        kubeconfig=_kubeconfig(environment, trouble),
        pod_name=environment.get("POD_NAME") or "bullpen-operator",
        leader_election=_election(environment, pod_namespace, trouble),
        lease_name=_lease_name(environment, trouble),
        pod_namespace=pod_namespace,
    )
    if trouble:
        raise BadSettings(trouble)
    return found


def _namespaces(environment: Mapping[str, str], trouble: list[str]) -> tuple[str, ...]:
    listed = [name.strip() for name in environment.get("WATCH_NAMESPACE", "").split(",") if name.strip()]
    trouble.extend(
        f"WATCH_NAMESPACE has {name!r}, which is no namespace name: give names separated by commas, or leave it out"
        for name in listed
        if _NAMESPACE.fullmatch(name) is None
    )
    return tuple(dict.fromkeys(listed))


def _namespace_of_pod(environment: Mapping[str, str], trouble: list[str]) -> str:
    name = environment.get("POD_NAMESPACE", "").strip()
    if name and _NAMESPACE.fullmatch(name) is None:
        trouble.append(f"POD_NAMESPACE={name!r} is no namespace name: give the one that the Lease is to be in")
    return name


def _election(environment: Mapping[str, str], pod_namespace: str, trouble: list[str]) -> bool:
    on = _choice(environment, "LEADER_ELECTION", ("on", "off"), "on" if pod_namespace else "off", trouble) == "on"
    if on and not pod_namespace:
        trouble.append("LEADER_ELECTION='on' needs POD_NAMESPACE: give the namespace that the Lease is to be in")
    return on


def _lease_name(environment: Mapping[str, str], trouble: list[str]) -> str:
    name = environment.get("LEASE_NAME", "").strip() or "bullpen-operator"
    if len(name) > _LONGEST_NAME or any(_NAMESPACE.fullmatch(part) is None for part in name.split(".")):
        trouble.append(f"LEASE_NAME={name!r} is no object name: use lower-case letters, digits, '-' and '.'")
    return name


def _number(
    environment: Mapping[str, str], name: str, default: float, *, least: float, most: float, trouble: list[str]
) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text) if isinstance(default, float) else int(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        trouble.append(
            f"{name}={text!r} is no number from {least:g} to {most:g}: correct it, or leave it out for {default:g}"
        )
        return default
    return number


def _choice(environment: Mapping[str, str], name: str, choices: Sequence[str], default: str, trouble: list[str]) -> str:
    choice = environment.get(name, "").strip().lower() or default
    if choice not in choices:
        trouble.append(f"{name}={choice!r} is unknown: use {', '.join(choices[:-1])} or {choices[-1]}")
    return choice


def _kubeconfig(environment: Mapping[str, str], trouble: list[str]) -> Path | None:
    text = environment.get("KUBECONFIG", "").strip()
    if not text:
        return None
    path = Path(text)
    if not path.is_file():
        trouble.append(f"KUBECONFIG={text!r} is no file: give the path of one kubeconfig, or leave it out in a pod")
    return path
