"""Turns pydantic's errors into problems: code, place, what was found, what is allowed, what to do."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from rena_graph.graph.document import GraphDocument
from rena_graph.graph.fields import TAG
from rena_graph.graph.findings import Findings
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.wording import did_you_mean, join, quote, show

__all__ = ["report"]

Schema = Mapping[str, Any]

_TYPES: dict[str, str] = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "array": "a list", "object": "an object",
}  # fmt: skip
_RANGE = {
    "greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number", "too_long", "too_short",
}  # fmt: skip
_TEXT = {"string_too_short", "string_too_long", "string_pattern_mismatch", "malformed"}


def report(errors: Iterable[Mapping[str, Any]], base: JsonPath, raw: object, findings: Findings) -> None:
    """Note pydantic's `errors` on `raw`, which stands at `base` in the document."""
    for error in errors:
        if findings.full:
            findings.add("G101", base, "")  # only counted
            continue
        location = tuple(p for p in error["loc"] if not (isinstance(p, str) and p.startswith(TAG)))
        at_key = bool(location) and location[-1] == "[key]"
        path = (*base, *(location[:-1] if at_key else location))
        _report_one(error, path, at_key, findings)


def _report_one(error: Mapping[str, Any], path: JsonPath, at_key: bool, findings: Findings) -> None:
    kind, value = error["type"], error["input"]
    name = _say(path)
    if kind == "missing":
        schema = _schema_at(path)
        hint = schema.get("description")
        findings.add("G102", path, f"{name} is missing", allowed=_allowed(schema), hint=hint, at="key")
    elif kind == "extra_forbidden":
        _report_extra_key(path, findings)
    elif kind == "literal_error":
        words = [str(word) for word in _enum(_schema_at(path))]
        hint = did_you_mean(findings.nearest(value, words)) if isinstance(value, str) else None
        findings.add("G104", path, f"{name} cannot be {show(value)}", found=show(value), allowed=join(words), hint=hint)
    elif kind == "alternatives":
        findings.add("G107", path, f"{name} wants {error['msg']}", found=show(value), allowed=error["msg"])
    elif kind == "version":
        hint = "a newer rena_graph may know it"
        findings.add("G108", path, "unknown version of the format", found=show(value), allowed="1", hint=hint)
    elif at_key or kind in _TEXT:
        _report_text(error, path, at_key, findings)
    elif kind in _RANGE:
        findings.add("G105", path, f"{name} is out of range", found=show(value), allowed=_allowed(_schema_at(path)))
    else:
        allowed = error["msg"] if kind == "wrong_kind" else _allowed(_schema_at(path))
        hint = _type_hint(value, allowed)
        findings.add("G103", path, f"{name} has the wrong type", found=show(value), allowed=allowed, hint=hint)


def _report_extra_key(path: JsonPath, findings: Findings) -> None:
    keys = [key for branch in _branches(_schema_at(path[:-1])) for key in branch.get("properties", ())]
    key = str(path[-1])
    message = f"{_say(path[:-1])} has no key {quote(key)}"
    hint = did_you_mean(findings.nearest(key, keys))
    findings.add("G101", path, message, found=quote(key), allowed=join(keys, limit=30), hint=hint, at="key")


def _report_text(error: Mapping[str, Any], path: JsonPath, at_key: bool, findings: Findings) -> None:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    hint = None
    if kind == "string_too_short":
        allowed = "text that is not empty"
    elif kind == "string_too_long":
        allowed = f"at most {context['max_length']} characters"
    elif kind == "malformed":
        allowed = error["msg"]
    else:
        schema = _schema_at(path)
        allowed, hint = _allowed(schema) or "text", schema.get("description")
    what = "the name of " if at_key else ""
    message = f"{what}{_say(path)} is not as it must be"
    place: Literal["key", "value"] = "key" if at_key else "value"
    findings.add("G106", path, message, found=show(value), allowed=allowed, hint=hint, at=place)


def _say(path: JsonPath) -> str:
    """The place in words: ``run_frequency of node filter``."""
    if not path:
        return "the graph"
    if len(path) >= 2 and path[0] in ("nodes", "streams"):
        owner = f"{'node' if path[0] == 'nodes' else 'stream'} {path[1]}"
        inner = _dotted(path[2:])
        return f"{inner} of {owner}" if inner else owner
    return _dotted(path)


def _dotted(path: JsonPath) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text[1:] if text.startswith(".") else text


def _type_hint(value: object, allowed: str | None) -> str | None:
    allowed = allowed or ""
    if isinstance(value, str) and "number" in allowed:
        return f"write {value.strip()} without quotes" if _is_number(value) else None
    if isinstance(value, str) and "true or false" in allowed and value.casefold() in ("true", "false"):
        return f"write {value.casefold()} without quotes"
    if isinstance(value, float) and "whole number" in allowed and value.is_integer():
        return f"write {int(value)}"
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@functools.cache
def _schema() -> dict[str, Any]:
    return GraphDocument.model_json_schema(by_alias=True)


def _schema_at(path: JsonPath) -> Schema:
    """The part of the JSON Schema that speaks about `path`; empty where none does."""
    schema: Schema = _schema()
    for part in path:
        schema = next((inner for branch in _branches(schema) if (inner := _member(branch, part)) is not None), {})
    return schema


def _member(schema: Schema, part: str | int) -> Schema | None:
    if isinstance(part, int):
        return schema.get("items")
    properties = schema.get("properties", {})
    if part in properties:
        return properties[part]  # type: ignore[no-any-return]
    additional = schema.get("additionalProperties")
    return additional if isinstance(additional, dict) else None


def _branches(schema: Schema) -> list[Schema]:
    """The alternatives of a schema, references followed."""
    if "$ref" in schema:
        return _branches(_schema()["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    inner = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [leaf for branch in inner for leaf in _branches(branch)] if inner else [schema]


def _enum(schema: Schema) -> list[Any]:
    return [word for branch in _branches(schema) for word in branch.get("enum", ())]


def _allowed(schema: Schema) -> str | None:
    words = [text for branch in _branches(schema) if (text := _describe(branch)) is not None]
    return join(words) if words else None


def _describe(schema: Schema) -> str | None:
    if schema.get("type") == "null":
        return None  # the same as leaving the key out
    if "enum" in schema:
        return join(str(word) for word in schema["enum"])
    kind: str | None = schema.get("type")
    if kind in ("integer", "number"):
        return _TYPES[kind] + _range(schema, "minimum", "maximum")
    if kind == "string":
        if "pattern" in schema:
            return f"text of the form {schema['pattern']}"
        return "text" + _range(schema, "minLength", "maxLength", " characters")
    if kind == "array":
        return "a list" + _range(schema, "minItems", "maxItems", " values")
    if kind == "object" and schema.get("required"):
        return "an object with " + join(schema["required"], "and")
    return _TYPES.get(kind or "")


def _range(schema: Schema, low: str, high: str, unit: str = "") -> str:
    least, most, above = schema.get(low), schema.get(high), schema.get("exclusiveMinimum")
    if above is not None:
        return f" above {_count(above)}" + (f", at most {_count(most)}" if most is not None else "")
    if least is not None and most is not None:
        return f" of {_count(least)} to {_count(most)}{unit}" if unit else f" from {_count(least)} to {_count(most)}"
    if least is not None:
        return f" of at least {_count(least)}{unit}"
    return f" of at most {_count(most)}{unit}" if most is not None else ""


def _count(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number:g}"
