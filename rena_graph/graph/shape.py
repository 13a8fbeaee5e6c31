"""Reads a document part by part, so that what is wrong in one part hides nothing in the others."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from rena_graph.graph.document import GraphDocument, NodeDef, StreamDef
from rena_graph.graph.fields import MAX_EDGES, MAX_ENTRIES, MAX_NODES, Name, NodeName
from rena_graph.graph.findings import Findings
from rena_graph.graph.problems import JsonPath
from rena_graph.graph.translate import report
from rena_graph.graph.wording import plural, show

__all__ = ["Draft", "read_draft"]

M = TypeVar("M", bound=BaseModel)


@dataclass
class Draft:
    """The healthy parts of a document, and what is known of the others.

    Parameters
    ----------
    head : GraphDocument | None
        The document without streams and nodes; None where it is broken.
    streams, nodes : dict
        The healthy streams, and the nodes with their healthy fields; what was broken has its default.
    damaged : dict of str to set of str
        For each node the fields that were broken, so that no check talks about their defaults.
    producers : dict of str to list of JsonPath
        Every name of a stream in the document, broken ones too, and where it is produced.
    complete : bool
        Whether `producers` has all names; false where a whole part could not be read.
    broken_parts : bool
        Whether streams were left out, or have names that cannot be.
    kept_inputs : dict of str to list of int
        For nodes of which inputs were broken: the places that the others have in the document.
    """

    head: GraphDocument | None = None
    streams: dict[str, StreamDef] = field(default_factory=dict)
    nodes: dict[str, NodeDef] = field(default_factory=dict)
    damaged: dict[str, set[str]] = field(default_factory=dict)
    producers: dict[str, list[JsonPath]] = field(default_factory=dict)
    complete: bool = True
    broken_parts: bool = False
    kept_inputs: dict[str, list[int]] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether everything could be read."""
        return self.head is not None and self.complete and not self.broken_parts and not self.damaged

    def sound(self, node: str, *fields: str) -> bool:
        """Whether none of the node's `fields` is broken."""
        return self.damaged.get(node, set()).isdisjoint(fields)

    def input_path(self, node: str, index: int, *keys: str) -> JsonPath:
        """Where the node's input of this `index` stands; `keys` inside it where it is an object."""
        kept = self.kept_inputs.get(node)
        path: JsonPath = ("nodes", node, "inputs", index if kept is None else kept[index])
        return path if isinstance(self.nodes[node].inputs[index], str) else (*path, *keys)

    def document(self) -> GraphDocument:
        """The healthy parts as one document."""
        head = self.head or GraphDocument(version=1, name="broken")
        return head.model_copy(update={"streams": self.streams, "nodes": self.nodes})


def read_draft(value: object, findings: Findings) -> Draft:
    """Check each part of a plain document by itself, noting what is wrong in `findings`."""
    draft = Draft()
    if not isinstance(value, dict):
        findings.add("G103", (), "a graph is an object", found=show(value), allowed="an object")
        draft.complete = False
        return draft
    head = {key: part for key, part in value.items() if key not in ("streams", "nodes")}
    draft.head = _checked(GraphDocument, head, (), findings)
    for name, raw in _section(value, "streams", draft, findings).items():
        _read_stream(name, raw, draft, findings)
    nodes = _section(value, "nodes", draft, findings)
    edges = sum(len(raw["inputs"]) for raw in nodes.values() if isinstance(raw, dict) and _is_list(raw.get("inputs")))
    if edges > MAX_EDGES:
        found = plural(edges, "input")
        findings.add("G109", ("nodes",), "too many inputs", found=found, allowed=f"{MAX_EDGES:,} at most")
        draft.complete = False
        return draft
    for name, raw in nodes.items():
        _read_node(name, raw, draft, findings)
    return draft


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _section(value: Mapping[str, Any], key: str, draft: Draft, findings: Findings) -> Mapping[str, Any]:
    section = value.get(key, {})
    if not isinstance(section, dict):
        findings.add("G103", (key,), f"{key} is an object of names", found=show(section), allowed="an object")
    elif any(not isinstance(name, str) for name in section):
        findings.add("G103", (key,), f"the names in {key} are text", found="keys that are no text", allowed="text")
    elif len(section) > MAX_NODES:
        found = plural(len(section), key[:-1])
        findings.add("G109", (key,), f"too many {key}", found=found, allowed=f"{MAX_NODES:,} at most")
    else:
        return section
    draft.complete = False
    return {}


def _read_stream(name: str, raw: object, draft: Draft, findings: Findings) -> None:
    path = ("streams", name)
    draft.producers.setdefault(name, []).append(path)
    named = _name_is_sound(Name, name, path, findings)
    stream = _checked(StreamDef, raw, path, findings)
    if stream is not None and named:
        draft.streams[name] = stream
    else:
        draft.broken_parts = True


def _read_node(name: str, raw: object, draft: Draft, findings: Findings) -> None:
    path = ("nodes", name)
    if not isinstance(raw, (dict, NodeDef)):
        findings.add("G103", path, "a node is an object", found=show(raw), allowed="an object with a key script")
        draft.complete = False
        return
    if not _name_is_sound(NodeName, name, path, findings):
        draft.broken_parts = True
    outputs = raw.outputs if isinstance(raw, NodeDef) else raw.get("outputs", {})
    if isinstance(outputs, dict):
        for output in outputs:
            draft.producers.setdefault(output, []).append((*path, "outputs", output))
    else:
        draft.complete = False
    broken: set[str] = set()
    bounded = _bounded(raw, path, broken, findings) if isinstance(raw, dict) else raw
    try:
        node = NodeDef.model_validate(bounded)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        report(errors, path, raw, findings)
        broken.update(str(e["loc"][0]) for e in errors if e["loc"])
        node = _salvaged(bounded, errors)
        dropped = {e["loc"][1] for e in errors if e["loc"][0] == "inputs" and len(e["loc"]) > 1}
        if dropped and isinstance(bounded, dict) and isinstance(bounded.get("inputs"), list):
            draft.kept_inputs[name] = [i for i in range(len(bounded["inputs"])) if i not in dropped]
    if broken:
        draft.damaged[name] = broken
    draft.nodes[name] = node


def _bounded(raw: dict[str, Any], path: JsonPath, broken: set[str], findings: Findings) -> dict[str, Any]:
    """`raw` without lists and objects so long that their own errors would be countless."""
    for key in ("inputs", "outputs", "params", "trigger"):
        part = raw.get(key)
        if isinstance(part, (list, dict)) and len(part) > MAX_ENTRIES:
            found = plural(len(part), "entry").replace("entrys", "entries")
            findings.add("G109", (*path, key), f"too many {key}", found=found, allowed=f"{MAX_ENTRIES:,} at most")
            broken.add(key)
    return {key: part for key, part in raw.items() if key not in broken} if broken else raw


def _salvaged(raw: Any, errors: list[Any]) -> NodeDef:
    """The node with what is wrong in it left out."""
    kept = {key: part.copy() if isinstance(part, (list, dict)) else part for key, part in raw.items()}
    broken = {(e["loc"][0], e["loc"][1] if len(e["loc"]) > 1 else None) for e in errors}
    in_lists = [entry for entry in broken if isinstance(entry[1], int)]
    others = [entry for entry in broken if not isinstance(entry[1], int)]
    for key, entry in others + sorted(in_lists, reverse=True):  # from the end, so that indices stay true
        part = kept.get(key)
        if key == "inputs" and isinstance(part, list) and isinstance(entry, int):
            del part[entry]
        elif key in ("outputs", "params") and isinstance(part, dict) and entry is not None:
            part.pop(entry, None)
        else:
            kept.pop(key, None)
    kept.setdefault("script", "?")
    return NodeDef.model_validate(kept)


def _checked(model: type[M], raw: object, path: JsonPath, findings: Findings) -> M | None:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        report(error.errors(include_url=False), path, raw, findings)
        return None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[str]:
    return TypeAdapter(kind)


def _name_is_sound(kind: Any, name: str, path: JsonPath, findings: Findings) -> bool:
    try:
        _adapter(kind).validate_python(name, strict=True)
    except ValidationError as error:
        keyed = [{**e, "loc": ("[key]",)} for e in error.errors(include_url=False)]
        report(keyed, path, name, findings)
        return False
    return True
