"""The images that go into the cluster: the project's two, Redis, the bases they stand on where those cannot be pulled, and any other Dockerfile."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import Engine
from node_image import debian_base, scratch
from places import CHECKOUT
from steps import HarnessError, Steps

PYTHON = "python:3.13-slim"
REDIS = "bullpen/redis:dev"
REDIS_PUBLISHED = "redis:7"
MADE_HERE = "LABEL bullpen.made-by=hack/cluster"
BUILD_SECONDS = 1200
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image is built: its Dockerfile, its tag and its build context."""

    dockerfile: Path
    tag: str
    context: Path


OURS = {
    "worker": Recipe(CHECKOUT / "Dockerfile.worker", "bullpen/worker:dev", CHECKOUT),
    "operator": Recipe(CHECKOUT / "Dockerfile.operator", "bullpen/operator:dev", CHECKOUT),
}
NAMES = (*OURS, "redis")


def pip_configuration(file: str, env: Mapping[str, str]) -> str:
    """The pip configuration for builds on this machine: its own file, and the package index that its environment names."""
    index = {
        name: env[f"PIP_{name.upper()}"]
        for name in ("index_url", "extra_index_url", "trusted_host")
        if env.get(f"PIP_{name.upper()}")
    }
    if not index:
        return file
    lines = [f"{name.replace('_', '-')} = {value}" for name, value in index.items()]
    head, found, rest = file.partition("[global]\n")
    kept = [
        line
        for line in rest.splitlines()
        if line.partition("=")[0].strip().replace("_", "-") not in {name.replace("_", "-") for name in index}
    ]
    return "\n".join([f"{head}[global]", *lines, *(kept if found else []), ""])


def ca_bundle(env: Mapping[str, str]) -> Path | None:
    """The certificate bundle this machine trusts."""
    candidates = [Path(env[name]) for name in ("PIP_CERT", "SSL_CERT_FILE") if env.get(name)] + [CA_BUNDLE]
    return next((path for path in candidates if path.is_file()), None)


def ensure_python(steps: Steps, engine: Engine) -> None:
    """The base image of our Dockerfiles: present, pulled, or made from Debian's Python 3.13 and tagged with its name."""
    if engine.image_id(PYTHON) is not None:
        return
    with steps.lock("images"):
        if engine.image_id(PYTHON) is not None:
            return
        steps.say(f"asking the image registry for {PYTHON} …")
        if engine.pull(steps, PYTHON):
            return
        with scratch(steps, "python") as work:
            # Where the official image has a command, ours has it too; pip may install system-wide, as it may there.
            hooks = ['ln -s python3 "$1/usr/bin/python"', 'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED']
            bundle = ca_bundle(os.environ)
            if bundle is not None:
                hooks.append(f'cp "{bundle}" "$1{CA_BUNDLE}"')
            file = Path("/etc/pip.conf")
            configuration = pip_configuration(file.read_text() if file.is_file() else "", os.environ)
            if configuration:
                (work / "pip.conf").write_text(configuration.replace(str(bundle), str(CA_BUNDLE)))
                hooks.append(f'cp "{work / "pip.conf"}" "$1/etc/pip.conf"')
            packages = ("python3", "python3-venv", "python3-pip", "ca-certificates")
            debian_base(
                steps,
                engine,
                PYTHON,
                "trixie",
                packages,
                hooks=hooks,
                changes=("ENV LANG=C.UTF-8", 'CMD ["python3"]', MADE_HERE),
            )


def ensure_redis(steps: Steps, engine: Engine) -> None:
    """Redis under the tag bullpen/redis:dev: present, pulled, or made from Debian's redis-server 7.

    Start it with an explicit command (`redis-server --protected-mode no …`): only the published image has an entry point that allows other hosts.
    """
    if engine.image_id(REDIS) is not None:
        return
    with steps.lock("images"):
        if engine.image_id(REDIS) is not None:
            return
        steps.say(f"asking the image registry for {REDIS_PUBLISHED} …")
        if engine.pull(steps, REDIS_PUBLISHED):
            engine.run(steps, "tag", REDIS_PUBLISHED, REDIS)
            return
        changes = (
            "WORKDIR /data",
            'CMD ["redis-server", "--protected-mode", "no"]',
            "EXPOSE 6379",
            MADE_HERE,
        )
        hooks = ('install -d -m 1777 "$1/data"',)
        debian_base(
            steps, engine, REDIS, "bookworm", ("redis-server", "redis-tools"), hooks=hooks, changes=changes
        )


def build(steps: Steps, engine: Engine, recipe: Recipe, arguments: Sequence[str] = ()) -> None:
    """Build one image; `arguments` are build arguments as NAME=VALUE. Raises HarnessError for a missing file, CommandFailed for a failed build."""
    if not recipe.dockerfile.is_file():
        raise HarnessError(
            f"cannot build {recipe.tag}: there is no Dockerfile {recipe.dockerfile}; name it with -f"
        )
    if not recipe.context.is_dir():
        raise HarnessError(f"cannot build {recipe.tag}: the build context {recipe.context} is no directory")
    ensure_python(steps, engine)
    proxies = [
        name
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
        if os.environ.get(name)
    ]
    words: list[str | Path] = ["build", "--network", "host", "--file", recipe.dockerfile, "--tag", recipe.tag]
    for argument in [*proxies, *arguments]:
        words += ["--build-arg", argument]
    with steps.step(f"building {recipe.tag}", "1 min, 2 s when nothing has changed"):
        engine.run(steps, *words, recipe.context, timeout=BUILD_SECONDS)


def build_named(steps: Steps, engine: Engine, names: Sequence[str]) -> list[str]:
    """Build images by their short names; returns their tags."""
    tags = []
    for name in names:
        if name == "redis":
            ensure_redis(steps, engine)
            tags.append(REDIS)
        else:
            build(steps, engine, OURS[name])
            tags.append(OURS[name].tag)
    return tags
