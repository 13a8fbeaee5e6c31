"""The value types and limits that the document's models share."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

__all__ = [
    "DTYPES",
    "DTYPE_BYTES",
    "LSL_DTYPES",
    "MAX_BUFFER_DURATION",
    "MAX_CHANNELS",
    "MAX_EDGES",
    "MAX_ENTRIES",
    "MAX_NODES",
    "MAX_RATE",
    "MAX_SPIN",
    "TAG",
    "BindAddress",
    "Channels",
    "DType",
    "FilePath",
    "HostName",
    "HostPath",
    "Label",
    "Model",
    "Name",
    "NodeName",
    "Port",
    "PositiveSeconds",
    "Rate",
    "RequirementText",
    "Seconds",
    "text_of",
]

DTYPES = (
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool", "string",
)  # fmt: skip
"""What a stream's samples may be. LSL carries a subset: :data:`LSL_DTYPES`."""

LSL_DTYPES = ("int8", "int16", "int32", "int64", "float32", "float64", "string")
"""What an LSL outlet can carry."""

DTYPE_BYTES = {
    "int8": 1, "int16": 2, "int32": 4, "int64": 8, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8,
    "float32": 4, "float64": 8, "bool": 1, "string": 16,
}  # fmt: skip
"""Bytes of one value in memory; for text those of its cell, not of its characters."""

MAX_RATE = 1e6
MAX_SPIN = 0.01
"""Seconds that a node may be awake before each thing that it waits for."""
MAX_CHANNELS = 100_000_000
MAX_BUFFER_DURATION = 24 * 3600.0
MAX_NODES = 10_000
"""Nodes of one graph, and external streams of one graph."""
MAX_ENTRIES = 1_000
"""Inputs, outputs or parameters of one node."""
MAX_EDGES = 50_000
"""Inputs of all nodes of one graph together."""

TAG = "\ue000"
"""First character of union tags: pydantic puts the tags into error locations, from where they are taken out again."""

DType = Literal[
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool", "string"
]


# C0, DEL, C1, the line and paragraph separators, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def text_of(value: str) -> str:
    """Refuse control characters: names end up in file names, log lines, ZMQ topics and XML."""
    if not value.isprintable() and _CONTROL.search(value):
        raise PydanticCustomError("malformed", "text without control characters")
    return value


def _node_name(value: str) -> str:
    if any(c in './\\:@"' for c in value) or value[0] in "- " or value[-1] == " ":
        raise PydanticCustomError(
            "malformed", 'a name without . / \\ : @ " that neither starts with - nor starts or ends with a space'
        )
    return value


def _bind_address(value: str) -> str:
    if value not in ("*", "localhost"):
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise PydanticCustomError("malformed", "an IP address of this machine, localhost, or * for all") from None
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise PydanticCustomError("malformed", "an absolute path, as it is on the node's host")
    return value


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(text_of)]
NodeName = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(text_of), AfterValidator(_node_name)]
FilePath = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(text_of)]
HostPath = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(text_of), AfterValidator(_absolute)]
RequirementText = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(text_of)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^\s/@]+$")]
BindAddress = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_bind_address)]
Rate = Annotated[float, Field(ge=0, le=MAX_RATE, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]
Channels = Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
Seconds = Annotated[float, Field(ge=0, le=MAX_BUFFER_DURATION, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, le=MAX_BUFFER_DURATION, allow_inf_nan=False)]


class Model(BaseModel):
    """What every model of the document is: frozen, strict, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
