"""The graph document as pydantic models: what may stand in ``graph.json``, and nothing else.

These models check one value at a time (types, ranges, exclusive alternatives). What concerns two
places of the document at once is checked in :mod:`rena_graph.graph.checks`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "DTYPES",
    "EveryTrigger",
    "GraphDocument",
    "InputDef",
    "LslSink",
    "LslSource",
    "NodeDef",
    "OutputDef",
    "OutputSinks",
    "ParamDef",
    "PlacementDef",
    "RecordingSource",
    "RestartDef",
    "SimulateSource",
    "SourceDef",
    "StreamDef",
    "ZmqSink",
    "ZmqSource",
]

DTYPES = (
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool", "string",
)  # fmt: skip
"""What a stream's samples may be. LSL carries a subset: :data:`LSL_DTYPES`."""

LSL_DTYPES = ("int8", "int16", "int32", "int64", "float32", "float64", "string")
"""What an LSL outlet can carry."""

MAX_RATE = 1e6
MAX_CHANNELS = 100_000_000
MAX_BUFFER_DURATION = 24 * 3600.0

DType = Literal[
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "bool", "string"
]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Rate = Annotated[float, Field(ge=0, le=MAX_RATE, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]
Channels = Annotated[int, Field(ge=1, le=MAX_CHANNELS)]
Seconds = Annotated[float, Field(ge=0, le=MAX_BUFFER_DURATION, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, le=MAX_BUFFER_DURATION, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


# --------------------------------------------------------------------------------------------------
# Where streams come from
# --------------------------------------------------------------------------------------------------
class LslSource(_Model):
    """An LSL stream on the network, found by what is given here (all of it must match)."""

    name: Name | None = None
    type: Name | None = None
    source_id: Name | None = None
    predicate: Name | None = Field(None, description="An XPath predicate, as liblsl's resolve takes it.")

    @model_validator(mode="after")
    def _says_something(self) -> LslSource:
        if not (self.name or self.type or self.source_id or self.predicate):
            raise ValueError("give at least one of name, type, source_id, predicate")
        return self


class ZmqSource(_Model):
    """A ZMQ publisher in PhysioLabXR's format: ``[topic, timestamp, samples]``."""

    host: Name = "127.0.0.1"
    port: Port
    topic: Name | None = Field(None, description="The topic, exactly; the stream's name where left out.")
    clock: Literal["lsl", "unix", "arrival"] = Field(
        "arrival", description="What the sender's timestamps are: its LSL clock, Unix time, or not to be used."
    )


class RecordingSource(_Model):
    """A recorded file, played as if it were live."""

    path: Name
    stream: Name | None = Field(None, description="The stream's name within an XDF file that holds several.")
    speed: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = 1.0
    loop: bool = False


class SimulateSource(_Model):
    """Samples made up on the spot."""

    kind: Literal["random", "sine", "counter"] = "random"
    seed: int | None = None
    frequency: Annotated[float, Field(gt=0, le=MAX_RATE, allow_inf_nan=False)] = Field(
        1.0, description="Hz; of the sine."
    )
    samples: Annotated[int, Field(ge=1)] | None = Field(None, description="The stream ends after so many samples.")


class SourceDef(_Model):
    """Exactly one of the kinds of source."""

    lsl: LslSource | None = None
    zmq: ZmqSource | None = None
    recording: RecordingSource | None = None
    simulate: SimulateSource | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> SourceDef:
        if sum(v is not None for v in (self.lsl, self.zmq, self.recording, self.simulate)) != 1:
            raise ValueError("give exactly one of lsl, zmq, recording, simulate")
        return self

    @property
    def kind(self) -> str:
        """``'lsl'``, ``'zmq'``, ``'recording'`` or ``'simulate'``."""
        return next(k for k in ("lsl", "zmq", "recording", "simulate") if getattr(self, k) is not None)

    @property
    def live(self) -> bool:
        """Whether the outside goes on whether or not we keep up (so that nobody can make it wait)."""
        return self.kind in ("lsl", "zmq")


class StreamDef(_Model):
    """A stream that enters the graph from outside."""

    source: SourceDef = Field(alias="from")
    host: Name | None = None
    channels: Channels | None = None
    rate: Rate | None = Field(None, description="Nominal rate in Hz; 0 is irregular.")
    dtype: DType | None = None
    channel_names: list[str] | None = None
    unit: str | None = None
    description: str | None = None


# --------------------------------------------------------------------------------------------------
# Nodes
# --------------------------------------------------------------------------------------------------
class InputDef(_Model):
    """One edge, seen from the node: which stream, under which name, and what is expected of it."""

    stream: Name
    as_: Name | None = Field(None, alias="as")
    channels: Channels | None = None
    rate: Rate | None = None
    unit: str | None = None
    dtype: DType | None = None
    pick: list[Name] | None = Field(None, min_length=1, description="Only these channels, in this order, by name.")
    policy: Literal["fifo", "latest", "block"] = "fifo"
    block_timeout: PositiveSeconds = 1.0
    access: Literal["copy", "view"] = "copy"
    lossless: bool = Field(False, description="A dropped sample on this edge fails the node.")
    delayed: bool = False
    gaps: Literal["keep", "nan"] = "keep"
    max_samples: Annotated[int, Field(ge=1, le=100_000_000)] = 100_000

    @property
    def name(self) -> str:
        """The name by which the script knows the stream."""
        return self.as_ or self.stream


class LslSink(_Model):
    """An LSL outlet."""

    name: Name | None = None
    type: str = ""


class ZmqSink(_Model):
    """A ZMQ publisher in PhysioLabXR's format."""

    bind: Name = "127.0.0.1"
    port: Port
    topic: Name | None = None


class OutputSinks(_Model):
    """Where an output is broadcast."""

    lsl: LslSink | None = None
    zmq: ZmqSink | None = None


class OutputDef(_Model):
    """One stream that a node makes."""

    channels: Channels
    dtype: DType = "float32"
    rate: Rate = 0.0
    as_: Name | None = Field(None, alias="as")
    channel_names: list[str] | None = None
    unit: str | None = None
    to: OutputSinks = OutputSinks()


class ParamDef(_Model):
    """A parameter with its type and range."""

    type: Literal["bool", "int", "float", "str", "list", "path", "choice"]
    value: Any
    min: float | None = None
    max: float | None = None
    choices: list[Any] | None = None
    description: str | None = None


class EveryTrigger(_Model):
    """One loop for every so many new samples of one stream."""

    stream: Name
    every: Annotated[int, Field(ge=1, le=1_000_000_000)]
    wait: Seconds = Field(0.1, description="Longest wait, in seconds, for the other inputs to reach the block's end.")


class PlacementDef(_Model):
    """What the node needs, in Ray's words."""

    num_cpus: Annotated[float, Field(ge=0)] = 0.0
    num_gpus: Annotated[float, Field(ge=0)] = 0.0
    memory: Annotated[int, Field(ge=0)] | None = Field(None, description="Bytes.")
    host: Name | None = None
    labels: dict[str, str] = {}


class RestartDef(_Model):
    """Whether, and how often, a failed node is started anew."""

    policy: Literal["never", "on_failure", "always"] = "never"
    max: Annotated[int, Field(ge=0)] = 5
    window: PositiveSeconds = 60.0


class NodeDef(_Model):
    """One script in the graph."""

    script: Name
    run_frequency: Annotated[float, Field(gt=0, le=MAX_RATE, allow_inf_nan=False)] | None = Field(
        None, description="Hz, at most; 60 where left out, unlimited with a sample-counted trigger."
    )
    trigger: Literal["clock", "data"] | list[Name] | EveryTrigger = "clock"
    inputs: list[Name | InputDef] = []
    buffer_duration: PositiveSeconds = 1.0
    outputs: dict[Name, OutputDef] = {}
    params: dict[Name, ParamDef | bool | int | float | str | list[Any]] = {}
    placement: PlacementDef = PlacementDef()
    restart: RestartDef = RestartDef()
    on_error: Literal["continue", "restart", "stop"] = "continue"
    stop_timeout: PositiveSeconds = 5.0
    hang_timeout: PositiveSeconds | None = None
    layout: Literal["samples_first", "channels_first"] | None = None
    legacy_float64: bool | None = None
    simulate_input: bool = False
    description: str | None = None

    @property
    def input_defs(self) -> list[InputDef]:
        """The inputs, each as an object."""
        return [InputDef(stream=i) if isinstance(i, str) else i for i in self.inputs]

    @property
    def frequency(self) -> float:
        """Hz at most; ``inf`` where nothing limits it."""
        if self.run_frequency is not None:
            return self.run_frequency
        return float("inf") if isinstance(self.trigger, EveryTrigger) else 60.0


class GraphDocument(_Model):
    """A whole ``graph.json``."""

    schema_: str | None = Field(None, alias="$schema")
    version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    description: str | None = None
    transport: Literal["auto", "ring", "zmq"] = "auto"
    stream_timeout: PositiveSeconds = Field(
        30.0, description="Seconds to wait at the start for external streams that are not fully declared."
    )
    streams: dict[Name, StreamDef] = {}
    nodes: dict[Name, NodeDef] = {}

    @field_validator("version", mode="before")
    @classmethod
    def _not_a_bool(cls, value: object) -> object:
        return "true" if value is True else value
