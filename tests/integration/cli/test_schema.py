"""What producers in other languages get: JSON Schema that validates, and types that tsc understands."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Command

NODE = Path(__file__).parents[2] / "conformance/node"
RENDER = {
    "userId": "7b4f7b0e-7c4e-4c39-9c93-0d6f3a0f7f55",
    "due": "2030-01-01",
    "scenes": [{"sceneText": "a", "at": [0, 1]}],
    "pet": {"kind": "dog", "good": None},
}
UNSAYABLE = "bullpen: job 'unsayable': its result has no JSON Schema, so anything fits: "


def test_the_schema_of_every_job(bullpen: Command) -> None:
    said = bullpen("schema", "typed_app:app")
    assert said.code == 0
    assert said.err.startswith(UNSAYABLE)
    schema = json.loads(said.out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    generate = schema["properties"]["video-generation"]["properties"]["generate"]
    assert generate["description"] == "Render a video."
    assert generate["properties"] == {"data": {"$ref": "#/$defs/Render"}, "result": {"$ref": "#/$defs/Clip"}}
    assert "odd-name" in schema["$defs"]["Render"]["properties"]
    assert schema["$defs"]["Render"]["required"] == ["userId", "due", "scenes", "pet"]
    assert schema["properties"]["emails"]["additionalProperties"]["properties"]["data"]["type"] == "object"
    assert schema["properties"]["events"]["properties"]["untyped"]["properties"] == {"data": {}, "result": {}}


def tsc(directory: Path) -> list[str]:
    """The errors of the TypeScript compiler, in a directory from which the packages of Node can be found."""
    (directory / "node_modules").symlink_to(NODE / "node_modules")
    options = ("--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext", "--target", "es2022")
    command = ["node", str(NODE / "node_modules/typescript/bin/tsc"), *options, "use.ts"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=100, check=False)
    return done.stdout.splitlines()


def _with(changes: dict[str, object]) -> str:
    return json.dumps({**RENDER, **changes})


USE = """
import { Queue } from "bullmq5";
import type { JobData, JobName, JobResult, Jobs, QueueData, QueueResult, Render } from "./jobs.js";

const queue = new Queue<QueueData<"video-generation">, QueueResult<"video-generation">, JobName<"video-generation">>(
  "video-generation",
);
const render: JobData<"video-generation", "generate"> = %(render)s;
void queue.add("generate", render);
const same: Render = render;
const url = (clip: JobResult<"video-generation", "generate">): string => clip.url + clip.made;
const nothing: JobResult<"video-generation", "merge"> = null;
const sent: Jobs["emails"]["welcome"]["result"][] = ["sent", 1, true, null];
const open: JobData<"video-generation", "open"> = { known: 1, more: "x" };
const pet = (of: Render): number => (of.pet.kind === "cat" ? (of.pet.lives ?? 9) : 0);
void [same, url, nothing, sent, open, pet];
%(more)s
"""


def test_the_types_fit_what_is_right(bullpen: Command, tmp_path: Path) -> None:
    said = bullpen("schema", "typed_app:app", "--typescript", "-o", str(tmp_path / "jobs.ts"))
    assert (said.code, said.out) == (0, "")
    full = _with(
        {
            "quality": "final",
            "level": 2,
            "tags": {"a": [1]},
            "mixed": None,
            "span": "PT1S",
            "price": "1.5",
            "numbers": [1, 2],
            "either": [1, None],
            "odd-name": "x",
            "anything": {"a": 1},
        }
    )
    (tmp_path / "use.ts").write_text(USE % {"render": full, "more": ""})
    assert tsc(tmp_path) == []


def test_the_types_refuse_what_is_wrong(bullpen: Command, tmp_path: Path) -> None:
    assert bullpen("schema", "typed_app:app", "--typescript", "-o", str(tmp_path / "jobs.ts")).code == 0
    wrong = [
        'void queue.add("nope", render);',
        "const a: Render = {} as const; void a;",
        f"const b: Render = {_with({'user_id': 'x'})}; void b;",
        f"const c: Render = {_with({'quality': 'best'})}; void c;",
        f"const d: Render = {_with({'scenes': [{'sceneText': 'a', 'at': [1]}]})}; void d;",
        f"const e: Render = {_with({'pet': {'kind': 'dog', 'lives': 1}})}; void e;",
        f"const f: Render = {_with({'level': 3})}; void f;",
    ]
    (tmp_path / "use.ts").write_text(USE % {"render": json.dumps(RENDER), "more": "\n".join(wrong)})
    text = (tmp_path / "use.ts").read_text().splitlines()
    found = {text[int(error.split("(")[1].split(",")[0]) - 1] for error in tsc(tmp_path) if "error TS" in error}
    assert found == set(wrong)


@pytest.mark.parametrize("reference", ["house_app:app", "typed_app:app"])
def test_names_are_the_same_each_time(bullpen: Command, reference: str) -> None:
    """So that the file can be checked in, and compared."""
    once = bullpen("schema", reference, "--typescript").out
    assert once == bullpen("schema", reference, "--typescript").out
    assert once.endswith("\n")
