"""The images that go into the cluster: the project's, Redis, the bases they stand on, and any other Dockerfile."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.engine import Engine
from hack.cluster.node_image import debian_base, scratch
from hack.cluster.places import CHECKOUT
from hack.cluster.steps import HarnessError, Steps

PYTHON = "python:3.13-slim"
REDIS = "bullpen/redis:dev"
REDIS_PUBLISHED = "redis:7"
MADE_HERE = "LABEL bullpen.made-by=hack/cluster"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
INDEX_SETTINGS = ("index-url", "extra-index-url", "trusted-host")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
BUILD_SECONDS = 1200


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image is built; `needs` is the name of one of our images that it stands on."""

    dockerfile: Path
    tag: str
    context: Path
    needs: str = ""


QUICKSTART = CHECKOUT / "examples" / "quickstart"
OURS = {
    "worker": Recipe(CHECKOUT / "Dockerfile.worker", "bullpen/worker:dev", CHECKOUT),
    "operator": Recipe(CHECKOUT / "Dockerfile.operator", "bullpen/operator:dev", CHECKOUT),
    "quickstart": Recipe(QUICKSTART / "Dockerfile", "bullpen/quickstart:dev", QUICKSTART, needs="worker"),
}
TAGS = {name: recipe.tag for name, recipe in OURS.items()} | {"redis": REDIS}


def pip_configuration(file: str, env: Mapping[str, str]) -> str:
    """The pip configuration for builds here: this machine's, with the package index that its environment names."""
    named = {name: env.get(f"PIP_{name.upper().replace('-', '_')}", "") for name in INDEX_SETTINGS}
    index = {name: value for name, value in named.items() if value}
    if not index:
        return file
    lines = [line for line in file.splitlines() if line.partition("=")[0].strip().replace("_", "-") not in index]
    if "[global]" not in lines:
        lines.insert(0, "[global]")
    place = lines.index("[global]") + 1
    return "\n".join([*lines[:place], *(f"{name} = {value}" for name, value in index.items()), *lines[place:], ""])


def ca_bundle(env: Mapping[str, str]) -> Path | None:
    """The certificate bundle this machine trusts."""
    named = [Path(env[name]) for name in ("PIP_CERT", "SSL_CERT_FILE") if env.get(name)]
    return next((path for path in [*named, CA_BUNDLE] if path.is_file()), None)


def ensure_python(steps: Steps, engine: Engine) -> None:
    """The base of our Dockerfiles: there, pulled, or made of Debian's Python 3.13 and tagged with its name."""
    if engine.image_id(PYTHON) is not None:
        return
    with steps.lock("images"):
        if engine.image_id(PYTHON) is None and not engine.pull(steps, PYTHON):
            with scratch(steps, "python") as work:
                _make_python(steps, engine, work)


def _make_python(steps: Steps, engine: Engine, work: Path) -> None:
    # Where the official image has a command this one has it too, and pip may install system-wide as it may there.
    hooks = ['ln -s python3 "$1/usr/bin/python"', 'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED']
    bundle, file = ca_bundle(os.environ), Path("/etc/pip.conf")
    if bundle is not None:
        hooks.append(f'cp "{bundle}" "$1{CA_BUNDLE}"')
    configuration = pip_configuration(file.read_text() if file.is_file() else "", os.environ)
    if configuration:
        (work / "pip.conf").write_text(configuration.replace(str(bundle), str(CA_BUNDLE)))
        hooks.append(f'cp "{work / "pip.conf"}" "$1/etc/pip.conf"')
    packages = ("python3", "python3-venv", "python3-pip", "ca-certificates")
    changes = ("ENV LANG=C.UTF-8", 'CMD ["python3"]', MADE_HERE)
    debian_base(steps, engine, PYTHON, "trixie", packages, hooks=hooks, changes=changes)


def ensure_redis(steps: Steps, engine: Engine) -> None:
    """Redis 7 as bullpen/redis:dev: there, pulled, or made of Debian's redis-server.

    Name the whole command when starting it: only the published image's entry point lets other hosts in by itself.
    """
    if engine.image_id(REDIS) is not None:
        return
    with steps.lock("images"):
        if engine.image_id(REDIS) is not None:
            return
        if engine.pull(steps, REDIS_PUBLISHED):
            engine.run(steps, "tag", REDIS_PUBLISHED, REDIS)
            return
        changes = ("WORKDIR /data", 'CMD ["redis-server", "--protected-mode", "no"]', "EXPOSE 6379", MADE_HERE)
        hooks = ('install -d -m 1777 "$1/data"',)
        packages = ("redis-server", "redis-tools")
        debian_base(steps, engine, REDIS, "bookworm", packages, hooks=hooks, changes=changes)


def build(steps: Steps, engine: Engine, recipe: Recipe, arguments: Sequence[str] = ()) -> None:
    """Build one image with build arguments NAME=VALUE; raises HarnessError, CommandFailed for a failed build."""
    if not recipe.context.is_dir():
        raise HarnessError(f"cannot build {recipe.tag}: the build context {recipe.context} is no directory")
    if not recipe.dockerfile.is_file():
        raise HarnessError(f"cannot build {recipe.tag}: there is no Dockerfile {recipe.dockerfile}; name it with -f")
    ensure_python(steps, engine)
    words: list[str | Path] = ["build", "--network", "host", "--file", recipe.dockerfile, "--tag", recipe.tag]
    for argument in [*(name for name in PROXIES if os.environ.get(name)), *arguments]:
        words += ["--build-arg", argument]
    with steps.step(f"building {recipe.tag}", "1 min, 1 s when nothing has changed"):
        engine.run(steps, *words, recipe.context, timeout=BUILD_SECONDS)


def build_named(steps: Steps, engine: Engine, names: Sequence[str]) -> list[str]:
    """Build images by their short names, what they stand on first; returns their tags."""
    for name in names:
        if name == "redis":
            ensure_redis(steps, engine)
            continue
        needs = OURS[name].needs
        if needs and needs not in names and engine.image_id(OURS[needs].tag) is None:
            build(steps, engine, OURS[needs])
        build(steps, engine, OURS[name])
    if engine.own is not None:
        # Each change of a source leaves its predecessors untagged; younger ones still serve as the builds' cache.
        engine.ask("image", "prune", "--force", "--filter", "until=1h", timeout=120)
    return [TAGS[name] for name in names]
