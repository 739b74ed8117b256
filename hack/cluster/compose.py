"""Docker Compose for the engine of the harness: the machine's plugin, or a program of our own built from Go modules.

It has a go.mod to itself: Compose and Kubernetes ask for different versions of the same modules.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hack.cluster import app_images, tools
from hack.cluster.engine import Engine
from hack.cluster.keys import key_of_files
from hack.cluster.places import HARNESS
from hack.cluster.steps import Steps, ask

VERSION = "v2.40.3"
LOWEST = (2, 20)  # the first with `depends_on: required` and `--no-attach` as our file and tests use Compose
PACKAGE = "github.com/docker/compose/v2"
SOURCE = HARNESS / "tools" / "compose"
BUILT_AS = "cmd"  # by its package's last word


def ensure(steps: Steps) -> list[str]:
    """The words that begin a Compose command; what is missing is built. Raises HarnessError without Go."""
    answer = ask(["docker", "compose", "version", "--short"])
    version = tools.version_in(answer) if answer else None
    if version is not None and version >= LOWEST:
        return ["docker", "compose"]
    box = _toolbox(steps)
    if box.path("docker-compose") is None:
        with steps.lock("tools"):
            if box.path("docker-compose") is None:
                _build(steps, box)
    return [str(box.directory / "docker-compose")]


def run(steps: Steps, engine: Engine, words: Sequence[str]) -> int:
    """Run Compose in the terminal of whoever called us, and return its exit code.

    Its files find the bases that cannot be pulled here under the names that the harness gives them.
    """
    app_images.ensure_redis(steps, engine)
    defaults = {"REDIS_IMAGE": app_images.REDIS, "COMPOSE_BAKE": "false"}
    env = {**defaults, **os.environ, **engine.env}
    return subprocess.run([*ensure(steps), *words], env=env, check=False).returncode


def _toolbox(steps: Steps) -> tools.Toolbox:
    generation = key_of_files([SOURCE / "go.mod", SOURCE / "go.sum"], VERSION)
    return tools.Toolbox(directory=steps.places.root / "compose" / generation)


def _build(steps: Steps, box: tools.Toolbox) -> None:
    program = tools.go(steps)
    target: Path = steps.places.scratch / "compose"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with steps.step(f"building Docker Compose {VERSION} from Go modules", "3 min on 2 cores"):
        words = [program, "install", "-trimpath", "-buildvcs=false"]
        words += ["-ldflags", f"-s -w -X {PACKAGE}/internal.Version={VERSION}", f"{PACKAGE}/cmd"]
        steps.run(words, timeout=tools.BUILD_SECONDS, env=tools.build_env(target), cwd=SOURCE)
    (target / BUILT_AS).rename(target / "docker-compose")
    box.add([target / "docker-compose"])
    for generation in box.directory.parent.iterdir():
        if generation != box.directory:
            shutil.rmtree(generation, ignore_errors=True)
