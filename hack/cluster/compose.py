"""Docker Compose for the engine of the harness: the machine's plugin, or a program of our own built from Go modules."""

import os
import subprocess
from collections.abc import Sequence

from hack.cluster import app_images, tools
from hack.cluster.engine import Engine
from hack.cluster.go_program import GoProgram
from hack.cluster.steps import Steps, ask

LOWEST = (2, 20)  # the first with `depends_on: required` and `--no-attach` as our file and tests use Compose
PROGRAM = GoProgram(
    name="docker-compose",
    module="compose",
    package="github.com/docker/compose/v2/cmd",
    version="v2.40.3",
    stamp="github.com/docker/compose/v2/internal.Version",
    usually="3 min on 2 cores",
)


def ensure(steps: Steps) -> list[str]:
    """The words that begin a Compose command; what is missing is built. Raises HarnessError without Go."""
    answer = ask(["docker", "compose", "version", "--short"])
    version = tools.version_in(answer) if answer else None
    if version is not None and version >= LOWEST:
        return ["docker", "compose"]
    return [str(PROGRAM.ensure(steps))]


def run(steps: Steps, engine: Engine, words: Sequence[str]) -> int:
    """Run Compose in the terminal of whoever called us, and return its exit code.

    Its files find the bases that cannot be pulled here under the names that the harness gives them.
    """
    app_images.ensure_redis(steps, engine)
    defaults = {"REDIS_IMAGE": app_images.REDIS, "COMPOSE_BAKE": "false"}
    env = {**defaults, **os.environ, **engine.env}
    return subprocess.run([*ensure(steps), *words], env=env, check=False).returncode
