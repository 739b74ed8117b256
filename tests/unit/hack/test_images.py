"""Names and settings of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.cluster import app_images, node_image
from hack.cluster.node_content import full_name, holds
from hack.cluster.steps import HarnessError

WORKER = "docker.io/bullpen/worker:dev"
LISTING = f"""REF TYPE DIGEST SIZE PLATFORMS LABELS
{WORKER} application/vnd.docker.distribution.manifest.v2+json sha256:m1 1 KiB linux/amd64 -
sha256:c0 application/vnd.docker.distribution.manifest.v2+json sha256:m0 1 KiB linux/amd64 -
sha256:c1 application/vnd.docker.distribution.manifest.v2+json sha256:m1 1 KiB linux/amd64 -
"""


@pytest.mark.parametrize(
    ("image", "identity", "held"),
    [
        pytest.param("bullpen/worker:dev", "sha256:c1", True, id="name and content are there"),
        pytest.param("bullpen/worker:dev", "sha256:c0", False, id="the content is there under no name any more"),
        pytest.param("bullpen/worker:dev", "sha256:c2", False, id="the name has another content"),
        pytest.param("bullpen/other:dev", "sha256:c1", False, id="the content has another name"),
    ],
)
def test_an_image_is_held_when_its_name_leads_to_its_content(image: str, identity: str, held: bool) -> None:
    assert holds(LISTING, image, identity) is held


def test_an_unreadable_node_holds_nothing() -> None:
    assert not holds("", "bullpen/worker:dev", "sha256:c1")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7", "docker.io/library/redis:7"),
        ("bullpen/worker:dev", WORKER),
        ("localhost/x:1", "localhost/x:1"),
        ("registry.example:5000/x", "registry.example:5000/x:latest"),
        ("ghcr.io/o/x@sha256:ab", "ghcr.io/o/x@sha256:ab"),
    ],
)
def test_an_image_has_the_name_containerd_gives_it(image: str, name: str) -> None:
    assert full_name(image) == name


def test_pip_is_configured_as_the_machine_is() -> None:
    assert app_images.pip_configuration("[global]\ncert = /ca\n", {}) == "[global]\ncert = /ca\n"
    assert app_images.pip_configuration("", {}) == ""


def test_the_environment_s_index_replaces_the_file_s() -> None:
    file = "[global]\nindex-url = https://old.example\ncert = /ca\n"
    made = app_images.pip_configuration(file, {"PIP_INDEX_URL": "https://new.example"})
    assert made == "[global]\nindex-url = https://new.example\ncert = /ca\n"


def test_the_environment_s_index_alone_makes_a_configuration() -> None:
    made = app_images.pip_configuration("", {"PIP_TRUSTED_HOST": "pip.example"})
    assert made == "[global]\ntrusted-host = pip.example\n"


def test_every_control_plane_image_has_its_program() -> None:
    programs = {name: Path("/bin") / name for name in ("kube-apiserver", "kube-proxy", "coredns", "kubectl")}
    names = ["r/kube-apiserver:v1", "r/kube-proxy:v1", "r/coredns/coredns:v1", "r/pause:3", "r/etcd:3"]
    made = node_image.parts(programs, Path("/bin/pause"), Path("/bin/etcd"), names, "net")
    assert [part.reference for part in made] == [*names, node_image.PODNET]
    assert made[0].dockerfile() == "FROM scratch\nCOPY kube-apiserver /usr/local/bin/\n"
    assert 'ENTRYPOINT ["/usr/local/bin/coredns"]' in made[2].dockerfile()
    assert made[1].base == "net"


def test_an_image_nobody_can_make_is_named() -> None:
    with pytest.raises(HarnessError, match="r/new-thing:v1"):
        node_image.parts({}, Path("p"), Path("e"), ["r/new-thing:v1"], "net")


def test_what_an_image_stands_on_is_one_of_ours() -> None:
    assert {recipe.needs for recipe in app_images.OURS.values()} - {""} <= set(app_images.OURS)
