"""What the harness reads off the machine it runs on: paths, capabilities, processes, mounts, packet filter rules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hack.cluster import netfilter, processes, record
from hack.cluster.dockerd import CAP_SYS_RESOURCE, Dockerd, has_capability
from hack.cluster.places import Places
from hack.cluster.residue import mounts_below
from hack.cluster.steps import HarnessError, span

FULL = "Name:\tx\nCapEff:\t000001ffffffffff\n"
WITHOUT = "Name:\tx\nCapEff:\t000001fffeffffff\n"


@pytest.mark.parametrize(
    ("env", "root"),
    [
        pytest.param({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/bullpen", id="the XDG directory is followed"),
        pytest.param({"HOME": "/h"}, "/h/.cache/bullpen", id="without it the home directory's .cache"),
        pytest.param({"XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/bullpen", id="an empty one is as none"),
        pytest.param({"XDG_CACHE_HOME": "x", "HOME": "/h"}, "/h/.cache/bullpen", id="a relative one is ignored"),
    ],
)
def test_the_cache_directory(env: dict[str, str], root: str) -> None:
    places = Places.of(env)
    assert str(places.root) == root
    assert places.kubeconfig == Path(root) / "kubeconfig"


@pytest.mark.parametrize(("status", "has"), [(FULL, True), (WITHOUT, False), ("", False)])
def test_the_capability_is_read_from_the_effective_set(status: str, has: bool) -> None:
    assert has_capability(status, CAP_SYS_RESOURCE) is has


def test_the_runtime_without_the_capability_is_used_only_where_it_is_missing() -> None:
    daemon = Dockerd(Path("/c/docker"))
    assert "--default-runtime" not in daemon.command(FULL)
    assert daemon.command(WITHOUT)[-2:] == ["--default-runtime", "nosysres"]


def test_the_daemon_keeps_everything_below_its_home() -> None:
    command = Dockerd(Path("/c/docker")).command(FULL)
    values = dict(zip(command[1::2], command[2::2], strict=True))
    assert values["--host"] == "unix:///c/docker/docker.sock"
    assert all(values[word].startswith("/c/docker/") for word in ("--pidfile", "--data-root", "--exec-root"))


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        pytest.param(["/usr/sbin/dockerd", "--data-root", "/c/docker/data"], True, id="our daemon"),
        pytest.param(["dockerd", "--data-root", "/var/lib/docker"], False, id="another daemon"),
        pytest.param(["sleep", "/c/docker"], False, id="another program with our path in its words"),
        pytest.param([], False, id="a process that is gone"),
    ],
)
def test_a_recycled_pid_is_not_ours(words: list[str], ours: bool) -> None:
    assert processes.is_ours(words, program="dockerd", directory=Path("/c/docker")) is ours


@pytest.mark.parametrize("text", ["", "12x", "\n"])
def test_a_broken_pidfile_names_nobody(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pid"
    file.write_text(text)
    assert processes.pid_in(file) is None


def test_a_pidfile_that_names_a_stranger_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "dockerd.pid").write_text(str(os.getpid()))
    assert Dockerd(tmp_path).pid() is None


def test_mounts_are_undone_innermost_first_and_only_below_the_directory() -> None:
    mounts = "\n".join(
        f"none {point} tmpfs rw 0 0" for point in ("/", "/c/docker", "/c/docker/a", "/c/docker/a/b\\040c", "/c/dockers")
    )
    assert mounts_below(Path("/c/docker"), mounts) == ["/c/docker/a/b c", "/c/docker/a"]


def test_only_dockers_rules_and_chains_are_removed() -> None:
    rules = "\n".join(
        [
            "-P FORWARD DROP",
            "-N DOCKER",
            "-N DOCKER-USER",
            "-N MINE",
            "-A FORWARD -j DOCKER-USER",
            "-A FORWARD -o docker0 -j ACCEPT",
            "-A FORWARD -i br-0123456789ab -j ACCEPT",
            "-A FORWARD -i br-lan -j ACCEPT",
            "-A FORWARD -j MINE",
            "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
            "-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE",
            "-A DOCKER-USER -j RETURN",
        ]
    )
    assert netfilter.deletions(rules) == [
        ["-D", "FORWARD", "-j", "DOCKER-USER"],
        ["-D", "FORWARD", "-o", "docker0", "-j", "ACCEPT"],
        ["-D", "FORWARD", "-i", "br-0123456789ab", "-j", "ACCEPT"],
        ["-D", "POSTROUTING", "-s", "172.17.0.0/16", "!", "-o", "docker0", "-j", "MASQUERADE"],
        ["-D", "DOCKER-USER", "-j", "RETURN"],
        ["-F", "DOCKER"],
        ["-F", "DOCKER-USER"],
        ["-X", "DOCKER"],
        ["-X", "DOCKER-USER"],
    ]


@pytest.mark.parametrize("text", ["", "{}", '{"definition": "d", "image": "i", "contai', '{"containers": 3}', "[]"])
def test_a_note_that_was_cut_off_is_no_note(tmp_path: Path, text: str) -> None:
    places = Places(tmp_path)
    places.record.write_text(text)
    assert record.read(places) is None


def test_a_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    note = record.Record(definition="d", image="i", containers={"n": "c"})
    record.write(Places(tmp_path), note)
    assert record.read(Places(tmp_path)) == note


def test_there_is_no_kubeconfig_without_a_finished_cluster(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.kubeconfig.write_text("of a cluster that was never finished")
    with pytest.raises(HarnessError, match="hack/cluster up"):
        record.kubeconfig_of(places)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (59.4, "59 s"), (200, "3 min 20 s")]
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert span(seconds) == said
