"""The tests cover what they say they cover, against the versions they name."""

from __future__ import annotations

import json
import re

import pytest

from tests.conformance import test_live, test_mixed_pause
from tests.conformance.checklist import COVERED, LIVE, MODULES, SCENARIOS
from tests.conformance.node_side import NODE_DIRECTORY, installed_version


def test_every_covered_item_has_a_test_of_its_number() -> None:
    numbers = {test.number for test in SCENARIOS.values()}
    names = [*dir(test_live), *dir(test_mixed_pause)]
    live = {int(found[1]) for name in names if (found := re.match(r"test_item_(\d+)_", name))}
    assert numbers | live == COVERED
    assert live >= LIVE


def test_test_names_carry_the_number_of_their_item() -> None:
    for name, test in SCENARIOS.items():
        assert re.match(rf"test_item_{test.number:02}_[a-z0-9_]+$", name), name
        assert any(hasattr(module, name) for module in MODULES), f"{name} is not a test of any module"


@pytest.mark.parametrize(("generation", "version"), [(5, "5.81."), (6, "6.7.")])
def test_the_versions_compared_with_are_pinned(generation: int, version: str) -> None:
    manifest = json.loads((NODE_DIRECTORY / "package.json").read_text())
    pinned = manifest["dependencies"][f"bullmq{generation}"].removeprefix("npm:bullmq@")
    assert pinned.startswith(version)
    assert installed_version(generation) == pinned, "run `npm ci --prefix tests/conformance/node`"


def test_the_lock_names_no_registry() -> None:
    # It has to work with whatever registry a machine is given.
    assert '"resolved"' not in (NODE_DIRECTORY / "package-lock.json").read_text()
