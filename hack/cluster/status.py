"""What exists, in a few lines a person reads."""

import os
from pathlib import Path

import engine
import kind
import tools
from dockerd import Dockerd
from health import Condition, diagnose
from places import Places
from steps import Steps, ask


def size(amount: int) -> str:
    """Bytes as a person says them, in powers of ten: `12 MB`, `3.4 GB`."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{round(amount / 1e6)} MB"


def disk_use(directory: Path) -> int:
    """Bytes on disk below a directory, without what is mounted there; 0 when it does not exist."""
    answer = (
        ask(["du", "--summarize", "--one-file-system", "--block-size=1", directory], timeout=60)
        if directory.exists()
        else None
    )
    return int(answer.split()[0]) if answer else 0


def report(steps: Steps) -> tuple[list[str], bool]:
    """The lines, and whether the cluster is healthy."""
    places = steps.places
    found = engine.find(places)
    lines = [f"engine      {_engine_line(places, found)}"]
    healthy = False
    if found is None:
        lines.append("cluster     none")
    else:
        cluster = kind.Cluster(steps, found)
        sight = cluster.look()
        verdict = diagnose(sight, kind.definition(max(1, len(sight.containers))))
        healthy = verdict.condition is Condition.HEALTHY
        image = f", image {sight.record.image}" if sight.record else ""
        lines.append(f"cluster     {kind.NAME}: {verdict.condition}, {verdict.reason}{image}")
        for container in sight.containers:
            ready = "ready" if container.name in (sight.ready or ()) else "not ready"
            state = f"{ready}, {cluster.node_address(container.name)}" if container.running else "stopped"
            lines.append(f"node        {container.name}: {state}")
    lines.append(f"kubeconfig  {places.kubeconfig if places.kubeconfig.exists() else 'none'}")
    for name in tools.CLIENTS:
        lines.append(f"{name:<11} {tools.find(steps, name) or 'not built yet'}")
    lines.append(
        f"cache       {places.root}: images {size(disk_use(places.docker))}, tools {size(disk_use(places.tools))}"
    )
    go_cache = ask(["go", "env", "GOCACHE"])
    if go_cache:
        lines.append(
            f"go cache    {go_cache}: {size(disk_use(Path(go_cache)))} (Go's own; `go clean -cache` empties it)"
        )
    return lines, healthy


def _engine_line(places: Places, found: engine.Engine | None) -> str:
    own = Dockerd.of(places)
    if found is None:
        return (
            "none answers; `up` starts one of our own" + (" (one was killed)" if own.left_anything() else "")
            if os.geteuid() == 0
            else "none answers"
        )
    version = found.ask("version", "--format", "{{.Server.Version}}") or "of unknown version"
    if found.own is None:
        return f"Docker {version} of this machine, {found.host}"
    return f"Docker {version}, started by us: pid {own.pid()}, {found.host}"
