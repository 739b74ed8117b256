"""What exists, in a few lines a person reads."""

from pathlib import Path

from hack.cluster import engine, kind, tools
from hack.cluster.dockerd import Dockerd
from hack.cluster.health import Condition, diagnose
from hack.cluster.places import Places
from hack.cluster.steps import Steps, ask


def size(amount: int) -> str:
    """Bytes as a person says them, in powers of ten: `12 MB`, `3.4 GB`."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{round(amount / 1e6)} MB"


def disk_use(directory: Path) -> int:
    """Bytes on disk below a directory, without what is mounted there; 0 when it does not exist."""
    words = ("du", "--summarize", "--one-file-system", "--block-size=1", directory)
    answer = ask(words, timeout=60) if directory.exists() else None
    return int(answer.split()[0]) if answer else 0


def report(steps: Steps) -> tuple[list[str], bool]:
    """The lines, and whether the cluster is healthy."""
    places = steps.places
    found = engine.find(places)
    cluster, healthy = _cluster_lines(steps, found)
    caches = f"images {size(disk_use(places.docker))}, tools {size(disk_use(places.tools))}"
    lines = [
        f"engine      {_engine_line(places, found)}",
        *cluster,
        f"kubeconfig  {places.kubeconfig if places.kubeconfig.exists() else 'none'}",
        *(f"{name:<11} {tools.find(steps, name) or 'not built yet'}" for name in tools.CLIENTS),
        f"cache       {places.root}: {caches}",
    ]
    go_cache = ask(["go", "env", "GOCACHE"])
    if go_cache:
        lines.append(
            f"go cache    {go_cache}: {size(disk_use(Path(go_cache)))} (Go's own; to empty it: go clean -cache)"
        )
    return lines, healthy


def _cluster_lines(steps: Steps, found: engine.Engine | None) -> tuple[list[str], bool]:
    if found is None:
        return ["cluster     none"], False
    cluster = kind.Cluster(steps, found)
    sight = cluster.look()
    verdict = diagnose(sight, kind.definition(max(1, len(sight.containers))))
    image = f"; made of {sight.record.image}" if sight.record else ""
    lines = [f"cluster     {kind.NAME}: {verdict.condition}, {verdict.reason}{image}"]
    for node in sight.containers:
        ready = "ready" if node.name in (sight.ready or ()) else "not ready"
        state = f"{ready}, {cluster.node_address(node.name)}" if node.running else "stopped"
        lines.append(f"node        {node.name}: {state}")
    return lines, verdict.condition is Condition.HEALTHY


def _engine_line(places: Places, found: engine.Engine | None) -> str:
    own = Dockerd.of(places)
    if found is None:
        return "none answers; ours was killed" if own.left_anything() else "none answers"
    version = found.ask("version", "--format", "{{.Server.Version}}") or "of unknown version"
    if found.own is None:
        return f"Docker {version} of this machine, {found.host}"
    return f"Docker {version}, started by us as pid {own.pid()}, {found.host}"
