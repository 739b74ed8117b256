"""The CRD: generated, structural, and the same wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from bullpen_operator.api.crd import FILE_NAME, crd, main, rendered
from bullpen_operator.api.reasons import ConditionType, Reason
from bullpen_operator.api.schema import structural

ROOT = Path(__file__).parents[3]
VERSION = crd()["spec"]["versions"][0]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema within a schema, by the path kubectl explain knows."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


SCHEMA = dict(nodes(VERSION["schema"]["openAPIV3Schema"]))


PLACES = [f"crds/{FILE_NAME}", f"charts/bullpen/files/{FILE_NAME}", "kustomize/base/crd.yaml"]


@pytest.mark.parametrize("place", PLACES)
def test_the_files_are_what_the_models_say(place: str) -> None:
    """`make crds` writes them."""
    assert (ROOT / place).read_text() == rendered()


def test_the_command_writes_the_files_it_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tmp_path / "crd.yaml")])
    main([])

    assert (tmp_path / "crd.yaml").read_text() == capsys.readouterr().out
    assert yaml.safe_load((tmp_path / "crd.yaml").read_text()) == crd()


def test_every_field_is_explained() -> None:
    bare = [path for path, schema in SCHEMA.items() if not path.endswith("[]") and "description" not in schema]

    assert bare == [".apiVersion", ".kind", ".metadata"]


def test_every_rule_is_a_sentence_that_says_what_to_do() -> None:
    messages = [rule["message"] for schema in SCHEMA.values() for rule in schema.get("x-kubernetes-validations", [])]

    assert len(messages) > 25
    assert [message for message in messages if not message.endswith(".") or len(message.split()) < 8] == []


def test_only_the_template_is_open() -> None:
    open_paths = {path for path, schema in SCHEMA.items() if schema.get("x-kubernetes-preserve-unknown-fields")}

    assert {path for path in open_paths if not path.startswith(".spec.template.spec")} == {".spec.env[].valueFrom"}


def test_what_the_rules_walk_through_is_bounded() -> None:
    """CEL's cost is estimated from the bounds; without them the API server refuses the CRD."""
    unbounded = [
        path
        for path, schema in SCHEMA.items()
        if path.startswith((".spec.env", ".spec.template.spec.containers", ".spec.template.metadata.labels"))
        and ((schema["type"] == "array" and "maxItems" not in schema) or _free_text(schema, path))
    ]

    assert unbounded == []


def _free_text(schema: dict[str, Any], path: str) -> bool:
    return schema["type"] == "string" and "maxLength" not in schema


def test_the_status_has_a_place_for_what_scale_reads() -> None:
    paths = VERSION["subresources"]["scale"]

    for path in (paths["specReplicasPath"], paths["statusReplicasPath"], paths["labelSelectorPath"]):
        assert path in SCHEMA


def test_the_columns_show_fields_that_exist() -> None:
    shown = {column["jsonPath"] for column in VERSION["additionalPrinterColumns"]}

    assert shown - set(SCHEMA) == {".metadata.creationTimestamp"}


def test_a_union_has_no_structural_schema() -> None:
    class Either(BaseModel):
        value: int | str

    with pytest.raises(TypeError, match="no unions"):
        structural(Either)


@pytest.mark.parametrize("word", [*Reason, *ConditionType])
def test_every_reason_is_a_word_with_a_sentence(word: Reason | ConditionType) -> None:
    assert word.isalpha()
    assert word[0].isupper()
    assert word.meaning.endswith(".")
