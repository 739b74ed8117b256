"""What `Dockerfile.operator` makes: how large, as whom it runs, what is not in it, and how it begins and ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hack.cluster.app_images import PYTHON
from hack.stage.kubectl import until
from tests.images.engine import HARNESS, environment, run, said
from tests.images.test_worker_image import COMPILERS, inspect

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

IMAGE = "bullpen/operator:dev"
LARGEST = 75_000_000  # bytes above its base


@pytest.fixture(scope="module")
def docker_env() -> dict[str, str]:
    said(*HARNESS, "build", "operator")
    return environment()


def test_it_is_small(docker_env: dict[str, str]) -> None:
    size, base = (int(inspect(image, ".Size", docker_env)) for image in (IMAGE, PYTHON))
    assert 0 < size - base <= LARGEST


def test_it_runs_as_a_number_that_is_not_root(docker_env: dict[str, str]) -> None:
    assert json.loads(inspect(IMAGE, ".Config.User", docker_env)) == "65532:65532"
    assert said("docker", "run", "--rm", "--entrypoint", "id", IMAGE, "-u", env=docker_env) == "65532"


def test_no_compiler_and_no_installer_of_ours_is_in_it(docker_env: dict[str, str]) -> None:
    look = f"for each in {COMPILERS}; do command -v $each; done; ls /opt/bullpen/bin | grep '^pip'; true"
    assert said("docker", "run", "--rm", "--entrypoint", "sh", IMAGE, "-c", look, env=docker_env) == ""


def test_it_starts_on_a_read_only_file_system_and_says_what_it_lacks(docker_env: dict[str, str]) -> None:
    locked = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    done = run("docker", "run", "--rm", *locked, IMAGE, env=docker_env)
    assert done.returncode == 2
    assert "no Kubernetes to work on: KUBECONFIG is not set and this is no pod" in done.stderr


def test_what_was_left_out_of_the_client_is_not_missed(docker_env: dict[str, str]) -> None:
    """The watch is imported after the start, by which time a missing module would be a crash in the cluster."""
    every = "import bullpen_operator.main, bullpen_operator.cluster.watch, kopf; print(kopf.operator.__name__)"
    words = ("docker", "run", "--rm", "--read-only", "--entrypoint", "python", IMAGE, "-c", every)
    assert said(*words, env=docker_env) == "operator"


def test_it_hears_sigterm_before_its_imports_are_done(
    docker_env: dict[str, str], container: str, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "sitecustomize.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(300)\n")
    words = ("--name", container, "-v", f"{tmp_path}:/slow:ro", "-e", "PYTHONPATH=/slow")
    said("docker", "run", "--detach", *words, IMAGE, env=docker_env)
    until(lambda: "importing" in run("docker", "logs", container, env=docker_env).stdout, "Python to start", within=30)
    said("docker", "stop", "--time", "60", container, env=docker_env)
    assert inspect(container, ".State.ExitCode", docker_env) == "0"
