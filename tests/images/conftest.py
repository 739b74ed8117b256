from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images.engine import run


@pytest.fixture
def container(docker_env: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """A name for a container; it is removed at the end."""
    name = f"bullpen-{tmp_path.name.replace('_', '-')}"
    run("docker", "rm", "--force", name, env=docker_env)
    yield name
    run("docker", "rm", "--force", name, env=docker_env)
