"""What `Dockerfile.worker` makes: how large, as whom it runs, what is not in it, and how it begins and ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hack.cluster.app_images import PYTHON
from hack.stage.kubectl import until
from tests.images.engine import HARNESS, environment, run, said

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

IMAGE = "bullpen/worker:dev"
LARGEST = 150_000_000  # bytes above its base
COMPILERS = "cc gcc g++ c++ clang ld as make cmake go rustc cargo"


@pytest.fixture(scope="module")
def docker_env() -> dict[str, str]:
    said(*HARNESS, "build", "worker")
    return environment()


def inspect(subject: str, field: str, env: dict[str, str]) -> str:
    return said("docker", "inspect", "--format", "{{json " + field + "}}", subject, env=env)


def test_it_is_small(docker_env: dict[str, str]) -> None:
    size, base = (int(inspect(image, ".Size", docker_env)) for image in (IMAGE, PYTHON))
    assert 0 < size - base <= LARGEST


def test_it_runs_as_a_number_that_is_not_root(docker_env: dict[str, str]) -> None:
    assert json.loads(inspect(IMAGE, ".Config.User", docker_env)) == "65532:65532"
    assert said("docker", "run", "--rm", "--entrypoint", "id", IMAGE, "-u", env=docker_env) == "65532"


def test_no_compiler_and_no_installer_of_ours_is_in_it(docker_env: dict[str, str]) -> None:
    look = f"for each in {COMPILERS}; do command -v $each; done; ls /opt/bullpen/bin | grep '^pip'; true"
    assert said("docker", "run", "--rm", "--entrypoint", "sh", IMAGE, "-c", look, env=docker_env) == ""


@pytest.mark.parametrize("mode", ["api", "server", "workers"])
def test_another_mode_ends_with_what_is_allowed(docker_env: dict[str, str], mode: str) -> None:
    done = run("docker", "run", "--rm", "-e", f"MODE={mode}", IMAGE, "app:app", env=docker_env)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"MODE={mode}: must be worker" in done.stderr


def test_a_bad_number_of_slots_is_named(docker_env: dict[str, str]) -> None:
    done = run("docker", "run", "--rm", "-e", "QUEUE_CONCURRENCY=ten", IMAGE, "app:app", env=docker_env)
    assert done.returncode == 2
    assert "QUEUE_CONCURRENCY=ten" in done.stderr


def test_it_needs_no_writable_file_system(docker_env: dict[str, str], container: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "app.py").write_text("from bullpen import App\napp = App()\n\n@app.queue('q').job()\ndef run(): ...\n")
    words = ("--read-only", "-v", f"{tmp_path}:/app:ro", "--entrypoint", "bullpen")
    done = said(
        "docker", "run", "--rm", "--name", container, *words, IMAGE, "check", "--no-redis", "app:app", env=docker_env
    )
    assert "q" in done


def test_it_hears_sigterm_before_its_imports_are_done(
    docker_env: dict[str, str], container: str, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "sitecustomize.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(300)\n")
    words = ("--name", container, "-v", f"{tmp_path}:/app:ro")
    said("docker", "run", "--detach", *words, IMAGE, "app:app", env=docker_env)
    until(lambda: "importing" in run("docker", "logs", container, env=docker_env).stdout, "Python to start", within=30)
    said("docker", "stop", "--time", "60", container, env=docker_env)
    assert inspect(container, ".State.ExitCode", docker_env) == "0"
