"""The examples of the docs, run as they stand against a real Redis, with a worker that serves their app."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bullpen.runtime.settings import read_settings
from tests.integration.pages import page as pages
from tests.integration.pages.page import modules, steps
from tests.integration.worker.house import environment, serving
from tests.integration.worker.receiver import SECRET

DOCS = Path(__file__).parents[3] / "docs"
README = DOCS.parent / "README.md"


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A Python program, to its end."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize("name", ["producing.md", "worker.md", "pipelines.md", "webhooks.md", "telemetry.md"])
async def test_the_examples_of_a_page_run(name: str, redis_url: str, tmp_path: Path) -> None:
    page = DOCS / name
    for module, text in modules(page).items():
        (tmp_path / f"{module}.py").write_text(text)
    assert steps(page)
    strict = {"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "error", "WEBHOOK_SECRET": SECRET}
    with serving("app:app", redis_url, tmp_path / "log", **strict) as worker:
        await worker.says("Worker ready")
        ended = await asyncio.to_thread(
            run, pages.__file__, str(page), cwd=tmp_path, env=environment(redis_url, **strict)
        )
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr + worker.output
        worker.signal(signal.SIGTERM)
        assert await worker.exit_code() == 0
    promised = re.findall(r"# (\[.*\]|\{.*\})$", page.read_text(), re.MULTILINE)
    for line in promised:
        assert line in ended.stdout.splitlines()


def test_the_app_of_the_readme_can_be_served(tmp_path: Path) -> None:
    for module, text in modules(README).items():
        (tmp_path / f"{module}.py").write_text(text)
    checked = run("-m", "bullpen.cli", "check", "app:app", "--no-redis", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "video-generation" in checked.stdout


def test_the_urls_of_the_docs_are_understood() -> None:
    urls = re.findall(r"`((?:redis|rediss|unix)(?:\+sentinel)?:/[^`…]+)`", (DOCS / "redis.md").read_text())
    assert len(urls) > 6
    for url in urls:
        if not url.endswith("://"):
            read_settings({"REDIS_URL": url})


@pytest.mark.parametrize("page", [README, *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, _, section in re.findall(r"\]\((?!https?:)([^)#]*)(#([^)]*))?\)", page.read_text()):
        there = (page.parent / target) if target else page
        assert there.exists(), target
        if section:
            titles = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}
            assert section in anchors, section
