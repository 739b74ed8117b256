"""`kubectl bullpen` and `bullpen pool` against an API server: what they print, what they patch, how they end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bullpen.cli import main as bullpen_main
from bullpen_operator.cli.plugin import complete, main
from tests.unit.cli.api_server import ApiServer


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Plugin = Callable[..., Said]


def pool(name: str, namespace: str = "media", **spec: Any) -> dict[str, Any]:
    scaling = {"minReplicas": 0, "maxReplicas": 6, "waitObjective": {"seconds": 30, "percentile": 99}}
    status = {
        "observedGeneration": 1,
        "replicas": 2,
        "readyReplicas": 2,
        "desiredReplicas": 2,
        "ready": "2/2",
        "queue": {"waiting": 7, "active": 4, "delayed": 0, "failed": 0, "oldestWaitSeconds": 3, "paused": False},
        "decision": {
            "time": "2026-11-24T23:00:00Z", "from": 0, "to": 2, "reason": "Backlog", "message": "0 → 2: …", "inputs": {}
        },
        "conditions": [],
    }  # fmt: skip
    return {
        "metadata": {"name": name, "namespace": namespace, "generation": 1},
        "spec": {"queue": f"{name}-jobs", "image": "i", "redis": {"url": "redis://r"}, "scaling": scaling, **spec},
        "status": status,
    }


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    server = ApiServer()
    server.put(pool("video"))
    server.put(pool("voice", "audio"))
    labels = {"bullpen.dev/pool": "video"}
    server.objects["/api/v1/namespaces/media/pods/video-1"] = {
        "metadata": {"name": "video-1", "namespace": "media", "labels": labels}
    }
    server.objects["/api/v1/namespaces/media/pods/redis-1"] = {"metadata": {"name": "redis-1", "namespace": "media"}}
    with server.serving(tmp_path):
        yield server


@pytest.fixture
def plugin(api: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Plugin:
    def run(*words: str, entry: Callable[[list[str]], Any] = main) -> Said:
        capsys.readouterr()
        code = 0
        try:
            entry([*words, "--kubeconfig", str(tmp_path / "kubeconfig")])
        except SystemExit as ended:
            code = int(str(ended.code))
        seen = capsys.readouterr()
        return Said(code, seen.out, seen.err)

    return run


def test_the_pools_of_the_contexts_namespace_or_of_all(plugin: Plugin) -> None:
    assert [line.split()[:4] for line in plugin("status").out.splitlines()[1:]] == [
        ["media/video", "video-jobs", "2/2", "2"]
    ]
    assert [json.loads(line)["pool"] for line in plugin("status", "-A", "--json").out.splitlines()] == [
        "media/video",
        "audio/voice",
    ]
    assert "audio/voice" in plugin("status", "-n", "audio").out
    nothing = plugin("status", "--context", "there")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "no WorkerPool in namespace 'default'\n")


def test_one_pool_in_words_and_as_json(plugin: Plugin) -> None:
    words = plugin("status", "video").out
    assert words.startswith("media/video: 2 of 2 pods ready, for the queue video-jobs\n")
    assert "7 jobs waiting, the oldest for 3s; 4 active" in words
    assert json.loads(plugin("status", "video", "--json").out)["status"]["queue"]["waiting"] == 7
    assert json.loads(plugin("explain", "video", "--json").out)["decision"]["to"] == 2


@pytest.mark.parametrize(
    ("words", "before", "after"),
    [
        (["pause", "video"], {}, {"paused": "Both"}),
        (["pause", "video", "--in"], {}, {"paused": "In"}),
        (["pause", "video", "--out"], {}, {"paused": "Out"}),
        (["resume", "video"], {"paused": "Both"}, {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_pause_is_a_field_of_scaling(
    plugin: Plugin, api: ApiServer, words: list[str], before: dict[str, str], after: dict[str, str]
) -> None:
    path = api.put(pool("video"))
    api.objects[path]["spec"]["scaling"].update(before)
    assert plugin(*words).code == 0
    scaling = api.objects[path]["spec"]["scaling"]
    assert {key: value for key, value in scaling.items() if key == "paused"} == after
    assert scaling["maxReplicas"] == 6


def test_a_pin_is_spec_replicas_and_an_unpin_removes_it(plugin: Plugin, api: ApiServer) -> None:
    path = api.put(pool("video"))
    assert plugin("pin", "video", "3").out == "media/video: pinned to 3\n"
    assert api.objects[path]["spec"]["replicas"] == 3
    assert "but it is pinned to 3" in plugin("pause", "video").out
    assert "but its scaling is paused (Both)" in plugin("unpin", "video").out
    assert "replicas" not in api.objects[path]["spec"]


def test_a_refusal_is_the_sentence_of_the_rule(plugin: Plugin, api: ApiServer) -> None:
    api.refusal = (
        422,
        'WorkerPool "video" is invalid: spec.replicas: Invalid value: "object": replicas is too large: lower it.',
    )
    said = plugin("pin", "video", "50")
    assert said.code == 1
    assert said.err == 'bullpen: WorkerPool "video" is invalid: spec.replicas: replicas is too large: lower it.\n'


def test_a_pods_drain_is_an_annotation_which_can_be_taken_away(plugin: Plugin, api: ApiServer) -> None:
    path = "/api/v1/namespaces/media/pods/video-1"
    assert plugin("drain", "video-1").out == "media/video-1 of video: takes no more jobs and finishes those it has\n"
    assert api.objects[path]["metadata"]["annotations"] == {"bullpen.dev/drain": "true"}
    assert plugin("drain", "video-1", "--undo").code == 0
    assert api.objects[path]["metadata"]["annotations"] == {}


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["status", "vide"], 1, "no WorkerPool 'vide' in namespace 'media': did you mean 'video'?"),
        (["pin", "other", "1"], 1, "no WorkerPool 'other' in namespace 'media': there are video"),
        (["drain", "video-9"], 1, "no pod 'video-9' in namespace 'media'"),
        (["drain", "redis-1"], 1, "pod 'redis-1' in namespace 'media' belongs to no WorkerPool"),
        (["status", "video", "-A"], 2, "a pool and --all-namespaces: name its namespace with -n instead"),
        (["status", "--context", "nowhere"], 2, "cannot use the kubeconfig"),
        (["pin", "video"], 2, "Missing argument 'PODS'; see kubectl bullpen pin --help"),
        (["pin", "video", "-1"], 2, "see kubectl bullpen pin --help"),
        (["nonsense"], 2, "No such command 'nonsense'; see kubectl bullpen --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_wrong_is_said_in_a_line(plugin: Plugin, words: list[str], code: int, error: str) -> None:
    said = plugin(*words)
    assert (said.code, said.out) == (code, "")
    assert error in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("refusal", "code", "error"),
    [
        ((403, 'workerpools is forbidden: User "me" cannot patch'), 2, "the API server refuses: workerpools is forb"),
        ((409, "the object has been modified"), 1, "the object has been modified"),
    ],
)
def test_refusals_of_a_patch(plugin: Plugin, api: ApiServer, refusal: tuple[int, str], code: int, error: str) -> None:
    api.refusal = refusal
    said = plugin("pause", "video")
    assert said.code == code
    assert error in said.err


def test_a_cluster_without_the_crd(plugin: Plugin, api: ApiServer) -> None:
    api.knows_pools = False
    said = plugin("status")
    assert (said.code, "install the operator's chart first" in said.err) == (2, True)


def test_an_api_server_that_is_not_there(tmp_path: Path, plugin: Plugin) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubeconfig.read_text().replace("http://127.0.0.1:", "http://127.0.0.1:1#"))
    said = plugin("status")
    assert said.code == 1
    assert said.err.startswith("bullpen: cannot reach the API server: ")
    assert "secret-token" not in said.err


def test_top_prints_once_in_a_pipe(plugin: Plugin) -> None:
    assert "media/video" in plugin("top", "--once").out
    [line] = plugin("top", "--once", "--json", "-A").out.splitlines()
    assert [each["pool"] for each in json.loads(line)["pools"]] == ["media/video", "audio/voice"]


def test_the_group_of_bullpen_has_the_same_commands(plugin: Plugin) -> None:
    assert plugin("pool", "status", "video", entry=bullpen_main).out == plugin("status", "video").out


def test_kubectl_is_told_candidates(api: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def candidates(*words: str) -> list[str]:
        complete(words)
        *found, directive = capsys.readouterr().out.splitlines()
        assert directive == ":4"
        return [line.partition("\t")[0] for line in found]

    config = ("--kubeconfig", str(tmp_path / "kubeconfig"))
    assert candidates("pa") == ["pause"]
    assert candidates("pause", *config, "") == ["video"]
    assert candidates("drain", *config, "video") == ["video-1"]
    assert candidates("pause", "--kubeconfig", "/nowhere", "") == []


def test_without_the_extra_a_command_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['kubernetes'] = None\nfrom bullpen_operator.cli.plugin import main\n"
        "main(['status', '--kubeconfig', 'x'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert 'pip install "bullpen[operator]"' in done.stderr
