"""The manifest for krew, and the launcher that it installs."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
KREW = ROOT / "hack/krew"


def test_manifest_and_launcher_are_of_the_packages_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    manifest = yaml.safe_load((KREW / "bullpen.yaml").read_text())
    [platform] = manifest["spec"]["platforms"]

    assert manifest["spec"]["version"] == f"v{project['version']}"
    assert f"/v{project['version']}/" in platform["uri"]
    assert f"bullpen[worker,operator]=={project['version']}" in (KREW / "kubectl-bullpen").read_text()
    assert "kubectl-bullpen" in project["scripts"]
    assert {"worker", "operator"} <= set(project["optional-dependencies"])


def test_what_it_installs_is_there_and_runs() -> None:
    [platform] = yaml.safe_load((KREW / "bullpen.yaml").read_text())["spec"]["platforms"]
    names = [entry["from"] for entry in platform["files"]]
    assert platform["bin"] in names
    assert all((KREW / name).exists() or (ROOT / name).exists() for name in names)

    without = subprocess.run(
        ["/bin/sh", str(KREW / "kubectl-bullpen"), "status"],
        env={"PATH": "/nowhere"}, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert (without.returncode, "needs uv or pipx" in without.stderr) == (2, True)
