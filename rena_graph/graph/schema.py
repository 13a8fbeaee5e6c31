"""The JSON Schema of ``graph.json``, for editors and other programs."""

from __future__ import annotations

import json
from typing import Any

from rena_graph.graph.document import GraphDocument

__all__ = ["SCHEMA_ID", "json_schema", "schema_text"]

SCHEMA_ID = "urn:rena-graph:graph-v1"


def json_schema() -> dict[str, Any]:
    """The schema of a graph document, version 1, as JSON Schema 2020-12.

    It says what :mod:`rena_graph.graph.document` checks. What concerns two places at once, such as names and formats
    along edges, only ``rena-graph validate`` can tell.
    """
    schema = GraphDocument.model_json_schema(by_alias=True)
    _drop_titles(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "rena_graph graph, version 1",
        **schema,
    }


def schema_text() -> str:
    """The schema as it is checked in."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _drop_titles(schema: dict[str, Any]) -> None:
    """Take out the titles that repeat a key's name, which editors would show in place of the description."""
    for model in (schema, *schema.get("$defs", {}).values()):
        model.pop("title", None)
        for field in model.get("properties", {}).values():
            field.pop("title", None)
