"""The exported JSON Schema: the checked-in copy is true, and it says what it should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rena_graph.graph.problems import CODES
from rena_graph.graph.schema import json_schema, schema_text
from tests.graph.documents import document

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(json_schema())


def test_the_checked_in_copy_is_true() -> None:
    copy = ROOT / "graphs" / "graph-v1.schema.json"
    assert copy.read_text(encoding="utf-8") == schema_text(), f"run: rena-graph schema -o {copy.relative_to(ROOT)}"


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", sorted((ROOT / "graphs").glob("*/*.json")), ids=lambda path: path.stem)
def test_the_examples_follow_it(path: Path) -> None:
    VALIDATOR.validate(json.loads(path.read_text(encoding="utf-8")))
    assert (path.parent / json.loads(path.read_text())["$schema"]).resolve() == ROOT / "graphs" / "graph-v1.schema.json"


@pytest.mark.parametrize(
    "node",
    [
        {"run_freq": 60},
        {"run_frequency": "60"},
        {"run_frequency": 0},
        {"inputs": [3]},
        {"inputs": [{"stream": "x", "policy": "newest"}]},
        {"outputs": {"x": {}}},
        {"outputs": {"x": {"channels": 0}}},
        {"trigger": {"stream": "x"}},
        {"params": {"x": None}},
    ],
)
def test_it_refuses(node: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(document({"a": node}))


def test_every_key_is_described() -> None:
    schema = json_schema()
    models = {"GraphDocument": schema, **schema["$defs"]}
    bare = [f"{name}.{key}" for name, m in models.items() for key, field in m.get("properties", {}).items()
            if not field.get("description")]  # fmt: skip
    assert bare == []


def test_the_reference_names_every_key_and_every_code() -> None:
    text = (ROOT / "docs" / "graph.md").read_text(encoding="utf-8")
    schema = json_schema()
    keys = {key for model in (schema, *schema["$defs"].values()) for key in model.get("properties", {})}
    assert [key for key in sorted(keys) if f"`{key}`" not in text] == []
    for code, (severity, meaning) in CODES.items():
        assert f"| {code} | {severity} | {meaning} |" in text
