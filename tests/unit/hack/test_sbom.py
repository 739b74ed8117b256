"""The bill of materials of an image names what its lock file installs."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from hack import sbom
from hack.cluster.places import CHECKOUT, Places
from hack.cluster.steps import Steps

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(900)  # the first run on a machine gets cyclonedx-py


def locked(image: str) -> dict[str, str]:
    text = (CHECKOUT / f"lock/{image}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", text, flags=re.MULTILINE))


@pytest.fixture(scope="module", params=sbom.IMAGES)
def bill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    target: Path = tmp_path_factory.mktemp("sbom") / "bill.json"
    sbom.write(Steps.begin(Places.of(os.environ), "sbom"), request.param, target)
    return request.param, json.loads(target.read_text())


def test_every_locked_package_is_named_with_its_version(bill: tuple[str, dict[str, Any]]) -> None:
    image, made = bill

    named = {component["name"]: component["version"] for component in made["components"]}

    assert named == locked(image)
    assert len(named) > 10


def test_every_package_can_be_found_and_checked(bill: tuple[str, dict[str, Any]]) -> None:
    _, made = bill

    for component in made["components"]:
        assert component["purl"].startswith(f"pkg:pypi/{component['name']}@{component['version']}")
        hashes = [each for reference in component["externalReferences"] for each in reference.get("hashes", [])]
        assert hashes, component["name"]


def test_it_says_what_it_is_of(bill: tuple[str, dict[str, Any]]) -> None:
    image, made = bill

    assert made["bomFormat"] == "CycloneDX"
    assert made["metadata"]["component"]["name"] == f"bullpen/{image}"
