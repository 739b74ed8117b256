"""Hash keys: what counts and what does not."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from hack.cluster import kind
from hack.cluster.keys import key_of, key_of_files


@given(st.lists(st.text(max_size=5), max_size=5), st.lists(st.text(max_size=5), max_size=5))
def test_different_parts_have_different_keys(one: list[str], other: list[str]) -> None:
    assert (key_of(*one) == key_of(*other)) is (one == other)


def test_a_changed_byte_changes_the_key(tmp_path: Path) -> None:
    file = tmp_path / "go.sum"
    file.write_text("a")
    before = key_of_files([file])
    file.write_text("b")
    assert key_of_files([file]) != before


def test_place_time_and_order_of_the_files_do_not_count(tmp_path: Path) -> None:
    made = []
    for directory in ("here", "there"):
        files = [tmp_path / directory / name for name in ("x", "y")]
        for file in files:
            file.parent.mkdir(exist_ok=True)
            file.write_text(file.name)
        made.append(files)
    os.utime(made[1][0], (0, 0))
    assert key_of_files(made[0]) == key_of_files(reversed(made[1]))


def test_a_renamed_file_changes_the_key(tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / name).write_text("same")
    assert key_of_files([tmp_path / "x"]) != key_of_files([tmp_path / "y"])


def test_the_number_of_nodes_is_part_of_the_definition() -> None:
    assert len({kind.definition(nodes) for nodes in (1, 2, 3)}) == 3


def test_a_configuration_has_one_control_plane_and_the_rest_workers() -> None:
    lines = kind.configuration(3, audit_policy=Path("policy.yaml")).splitlines()
    assert lines.count("- role: control-plane") == 1
    assert lines.count("- role: worker") == 2


def test_the_api_server_is_given_its_audit_policy_by_the_node_that_mounts_it() -> None:
    configuration = yaml.safe_load(kind.configuration(2, audit_policy=Path("/a path/policy.yaml")))
    (patch,) = configuration["kubeadmConfigPatches"]
    api_server = yaml.safe_load(patch)["apiServer"]
    (mount,) = configuration["nodes"][0]["extraMounts"]
    assert mount["hostPath"] == "/a path/policy.yaml"
    assert api_server["extraArgs"]["audit-policy-file"] == mount["containerPath"]
    assert mount["containerPath"] in {volume["hostPath"] for volume in api_server["extraVolumes"]}
    assert api_server["extraArgs"]["audit-log-path"].startswith(kind.AUDIT_LOGS)
    assert yaml.safe_load(kind.AUDIT_POLICY.read_text())["kind"] == "Policy"
