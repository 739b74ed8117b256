"""The page on testing, taken as a project of its own: its tests run, and no Redis is reachable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.pages.page import modules
from tests.integration.worker.house import environment

PAGE = Path(__file__).parents[3] / "docs" / "testing.md"
CONFIGURATION = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
bullpen_app = {app}
filterwarnings = error
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in modules(PAGE).items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "pytest.ini").write_text(CONFIGURATION.format(app="app:app"))
    return tmp_path


def pytest_of(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        env=environment("redis://127.0.0.1:1"),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_tests_of_the_page_pass(project: Path) -> None:
    ended = pytest_of(project)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "10 passed" in ended.stdout


def test_a_test_that_expects_something_else_fails(project: Path) -> None:
    wrong = project / "test_generate.py"
    wrong.write_text(wrong.read_text().replace('"frames": 24', '"frames": 25'))
    ended = pytest_of(project, "test_generate.py")
    assert (ended.returncode, "1 failed, 3 passed" in ended.stdout) == (1, True), ended.stdout


def test_an_event_loop_is_not_needed(project: Path) -> None:
    (project / "pytest.ini").write_text("[pytest]\nbullpen_app = app:app\nfilterwarnings = error\n")
    ended = pytest_of(project, "-p", "no:asyncio", "-k", "without_one or one_job", "test_fixtures.py")
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("", 'no app: set bullpen_app = "module:attribute" in the configuration of pytest'),
        ("app:nothing", "module 'app' has no 'nothing'"),
    ],
)
def test_an_app_that_is_not_there_is_told(project: Path, app: str, said: str) -> None:
    (project / "pytest.ini").write_text(CONFIGURATION.format(app=app))
    ended = pytest_of(project, "test_fixtures.py")
    assert said in ended.stdout, ended.stdout + ended.stderr
