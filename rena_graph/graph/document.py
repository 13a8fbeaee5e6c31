"""The graph document as pydantic models: what may stand in ``graph.json``, and nothing else.

These models check one value at a time (types, ranges, exclusive alternatives). What concerns two
places of the document at once is checked in :mod:`rena_graph.graph.checks`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from rena_graph.graph.fields import (
    DTYPES,
    LSL_DTYPES,
    MAX_BUFFER_DURATION,
    MAX_CHANNELS,
    MAX_ENTRIES,
    MAX_RATE,
    MAX_SPIN,
    TAG,
    BindAddress,
    Channels,
    DType,
    FilePath,
    HostPath,
    Label,
    Model,
    Name,
    NodeName,
    Port,
    PositiveSeconds,
    Rate,
    RequirementText,
    Seconds,
)
from rena_graph.graph.sources import LslSource, RecordingSource, SimulateSource, SourceDef, StreamDef, ZmqSource

__all__ = [
    "DTYPES",
    "LSL_DTYPES",
    "MAX_BUFFER_DURATION",
    "MAX_CHANNELS",
    "MAX_RATE",
    "EveryTrigger",
    "GraphDocument",
    "InputDef",
    "LslSink",
    "LslSource",
    "NodeDef",
    "OutputDef",
    "OutputSinks",
    "ParamDef",
    "ParamValue",
    "PlacementDef",
    "RecordingSource",
    "RestartDef",
    "SimulateSource",
    "SourceDef",
    "StreamDef",
    "ZmqSink",
    "ZmqSource",
]


OnNan = Literal["pass", "drop", "fail"]


class InputDef(Model):
    """One edge, seen from the node: which stream, under which name, and what is expected of it."""

    stream: Name = Field(description="The stream's name in the graph.")
    as_: Name | None = Field(default=None, alias="as", description="The name by which the script knows it.")
    channels: Channels | None = Field(default=None, description="Channels that the script expects (before `pick`).")
    rate: Rate | None = Field(default=None, description="Rate that the script expects, in Hz; 0 is irregular.")
    unit: str | None = Field(default=None, description="Unit that the script expects.")
    dtype: DType | None = Field(default=None, description="Type of the values that the script expects.")
    pick: list[Label] | None = Field(
        default=None, min_length=1, description="Only these channels, in this order, by name."
    )
    policy: Literal["fifo", "latest", "block"] = Field(
        default="fifo",
        description="When the node cannot keep up: the oldest samples go, only the newest chunk matters, or the "
        "producer waits.",
    )
    block_timeout: PositiveSeconds = Field(
        default=1.0, description="Seconds that a producer waits at most (policy block)."
    )
    access: Literal["copy", "view"] = Field(
        default="copy", description="Whether the script gets samples of its own, or read-only views of shared memory."
    )
    lossless: bool = Field(default=False, description="A dropped sample on this edge fails the node.")
    delayed: bool = Field(
        default=False, description="Brings what was made before the current loop, and may so close a cycle."
    )
    gaps: Literal["keep", "nan"] = Field(
        default="keep", description="Whether missing samples of a rate are filled with NaN."
    )
    on_nan: OnNan = Field(
        default="pass",
        description="Samples with values that are not finite: the script gets them, they are dropped, or the node "
        "fails.",
    )
    max_samples: Annotated[int, Field(ge=1, le=100_000_000)] = Field(
        default=100_000, description="Longest window of an irregular stream, in samples."
    )

    @property
    def name(self) -> str:
        """The name by which the script knows the stream."""
        return self.as_ or self.stream


class LslSink(Model):
    """An LSL outlet."""

    name: Name | None = Field(default=None, description="The outlet's name; the stream's where left out.")
    type: str = Field(default="", description="The outlet's content type, such as EEG.")


class ZmqSink(Model):
    """A ZMQ publisher in PhysioLabXR's format."""

    bind: BindAddress = Field(default="127.0.0.1", description="The address to publish on; * for all of this machine.")
    port: Port = Field(description="The TCP port to publish on.")
    topic: Name | None = Field(default=None, description="The topic; the stream's name where left out.")


class OutputSinks(Model):
    """Where an output is broadcast."""

    lsl: LslSink | None = Field(default=None, description="To LSL.")
    zmq: ZmqSink | None = Field(default=None, description="To ZMQ.")


class OutputDef(Model):
    """One stream that a node makes."""

    channels: Channels = Field(description="Values per sample.")
    dtype: DType = Field(default="float32", description="Type of the values.")
    rate: Rate = Field(default=0.0, description="Nominal rate in Hz; 0 is irregular.")
    as_: Name | None = Field(default=None, alias="as", description="The name by which the script knows it.")
    channel_names: list[Label] | None = Field(default=None, description="One label per channel.")
    unit: str | None = Field(default=None, description="Unit of all channels.")
    on_nan: OnNan = Field(
        default="pass",
        description="Samples with values that are not finite: they are sent, they are left out, or the node fails.",
    )
    to: OutputSinks = Field(
        default=OutputSinks(), description="Where it is broadcast; other nodes take it by its name anyway."
    )


class ParamDef(Model):
    """A parameter with its type and range."""

    type: Literal["bool", "int", "float", "str", "list", "path", "choice"] = Field(
        description="What the value is; a path is relative to the graph file, a choice is one of `choices`."
    )
    value: Any = Field(description="The value at the start.")
    min: Annotated[float, Field(allow_inf_nan=False)] | None = Field(default=None, description="Smallest (int, float).")
    max: Annotated[float, Field(allow_inf_nan=False)] | None = Field(default=None, description="Largest (int, float).")
    choices: list[Any] | None = Field(default=None, min_length=1, description="All values that are allowed.")
    description: str | None = Field(default=None, description="For people.")


class EveryTrigger(Model):
    """One loop for every so many new samples of one stream."""

    stream: Name = Field(description="An input of the node, by the stream's name.")
    every: Annotated[int, Field(ge=1, le=1_000_000_000)] = Field(description="Samples per loop.")
    wait: Seconds = Field(
        default=0.1, description="Longest wait, in seconds, for the other inputs to reach the block's end."
    )


class PlacementDef(Model):
    """What the node needs, in Ray's words."""

    num_cpus: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = Field(
        default=0.0, description="CPUs to reserve."
    )
    num_gpus: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = Field(
        default=0.0, description="GPUs to reserve; its script sees these and no other, none where it is 0."
    )
    memory: Annotated[int, Field(ge=0, le=2**62)] | None = Field(
        default=None, description="Memory to reserve, in bytes."
    )
    host: Name | None = Field(default=None, description="The machine to run on; any where left out.")
    labels: dict[Name, Name] = Field(default={}, description="Ray node labels that the machine must have.")
    near: NodeName | None = Field(default=None, description="Another node, on whose machine this one runs too.")


class RestartDef(Model):
    """Whether, and how often, a failed node is started anew."""

    policy: Literal["never", "on_failure", "always"] = Field(default="on_failure", description="When to start it anew.")
    max: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=5, description="Restarts within the window, at most."
    )
    window: PositiveSeconds = Field(default=60.0, description="Seconds.")
    on_give_up: Literal["stop_graph", "degrade"] = Field(
        default="stop_graph",
        description="When it is not started anew any more: stop the graph, or let the others run on without it.",
    )


def _input_kind(value: object) -> str | None:
    if isinstance(value, str):
        return TAG + "name"
    return TAG + "object" if isinstance(value, (dict, InputDef)) else None


def _trigger_kind(value: object) -> str | None:
    if isinstance(value, str):
        return TAG + "word"
    if isinstance(value, list):
        return TAG + "list"
    return TAG + "every" if isinstance(value, (dict, EveryTrigger)) else None


def _param_kind(value: object) -> str | None:
    if isinstance(value, (dict, ParamDef)):
        return TAG + "object"
    return TAG + "value" if isinstance(value, (bool, int, float, str, list)) else None


def _pip_kind(value: object) -> str | None:
    return TAG + "list" if isinstance(value, list) else TAG + "file" if isinstance(value, str) else None


def _one_of(kind: Any, allowed: str) -> Any:
    return Discriminator(kind, custom_error_type="wrong_kind", custom_error_message=allowed)


ParamValue = bool | int | Annotated[float, Field(allow_inf_nan=False)] | str | list[Any]
"""A parameter written as its value alone; the type follows from it."""

Input = Annotated[
    Annotated[Name, Tag(TAG + "name")] | Annotated[InputDef, Tag(TAG + "object")],
    _one_of(_input_kind, "the name of a stream, or an object with a key stream"),
]
Trigger = Annotated[
    Annotated[Literal["clock", "data"], Tag(TAG + "word")]
    | Annotated[Annotated[list[Name], Field(min_length=1)], Tag(TAG + "list")]
    | Annotated[EveryTrigger, Tag(TAG + "every")],
    _one_of(_trigger_kind, '"clock", "data", a list of inputs, or an object with keys stream and every'),
]
Param = Annotated[
    Annotated[ParamDef, Tag(TAG + "object")] | Annotated[ParamValue, Tag(TAG + "value")],
    _one_of(_param_kind, "true, false, a number, text, a list, or an object with keys type and value"),
]
Pip = Annotated[
    Annotated[Annotated[list[RequirementText], Field(max_length=MAX_ENTRIES)], Tag(TAG + "list")]
    | Annotated[FilePath, Tag(TAG + "file")],
    _one_of(_pip_kind, 'a list of requirements such as "scipy>=1.11", or the path of a requirements file'),
]


class NodeDef(Model):
    """One script in the graph."""

    script: FilePath = Field(description="The script's file, relative to the graph file.")
    run_frequency: Annotated[float, Field(gt=0, le=MAX_RATE, allow_inf_nan=False)] | None = Field(
        default=None, description="Hz, at most; 60 where left out, unlimited with a sample-counted trigger."
    )
    trigger: Trigger = Field(
        default="clock", description="What starts a loop: the clock, new data, or so many new samples."
    )
    inputs: list[Input] = Field(default=[], max_length=MAX_ENTRIES, description="The streams that the script takes.")
    buffer_duration: PositiveSeconds = Field(default=1.0, description="Seconds of each input that the script sees.")
    outputs: dict[Name, OutputDef] = Field(
        default={}, max_length=MAX_ENTRIES, description="The streams that the script makes, by their name in the graph."
    )
    params: dict[Name, Param] = Field(
        default={}, max_length=MAX_ENTRIES, description="The script's parameters, by name."
    )
    pip: Pip = Field(
        default=[],
        description="Packages that its script needs beyond those of its host: requirements, or a requirements file.",
    )
    environment: HostPath | None = Field(
        default=None,
        description="A Python environment on its host with packages that it needs: a folder, or an interpreter.",
    )
    placement: PlacementDef = Field(default=PlacementDef(), description="What it needs of the machine that it runs on.")
    restart: RestartDef = Field(default=RestartDef(), description="What happens when it fails.")
    on_error: Literal["continue", "restart", "stop"] = Field(
        default="continue",
        description="What happens when `loop()` raises: the next loop, a restart, or the end of the node.",
    )
    stop_timeout: PositiveSeconds = Field(default=5.0, description="Seconds to end in good order before it is killed.")
    hang_timeout: PositiveSeconds | None = Field(
        default=None, description="A loop longer than so many seconds counts as failed; off where left out."
    )
    on_overload: Literal["skip", "newest", "throttle", "stop"] = Field(
        default="skip",
        description="When it cannot keep its rate: ticks are skipped, it passes over what piled up, less important "
        "nodes are slowed, or the run stops.",
    )
    importance: Annotated[int, Field(ge=0, le=100)] = Field(
        default=50, description="Nodes of lower importance may be slowed so that this one keeps its rate."
    )
    loop_time: PositiveSeconds | None = Field(
        default=None, description="Seconds that a loop is expected to take, in the mean; checked against the rates."
    )
    save_state_every: Seconds = Field(
        default=0.0,
        description="Seconds between two saves of the script's state, at least; after every loop where 0.",
    )
    spin: Annotated[float, Field(ge=0, le=MAX_SPIN, allow_inf_nan=False)] = Field(
        default=0.0,
        description="Seconds that it is awake before its next deadline or data is due: a core's time for latency.",
    )
    scheduling: Literal["normal", "realtime"] = Field(
        default="normal", description="Whether its loop goes before all other programs, where the system lets it."
    )
    layout: Literal["samples_first", "channels_first"] | None = Field(
        default=None,
        description="Which way round the script's arrays are; by the script's import names where left out.",
    )
    legacy_float64: bool | None = Field(
        default=None,
        description="Floats as float64, signed integers as int64; by the script's import names where left out.",
    )
    simulate_input: bool = Field(default=False, description="Random samples instead of all inputs.")
    description: str | None = Field(default=None, description="For people.")

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


def _known_version(value: object) -> object:
    if type(value) is not int or value != 1:  # neither true nor 1.0, which Python holds for equal to 1
        raise PydanticCustomError("version", "1")
    return value


class GraphDocument(Model):
    """A whole ``graph.json``."""

    schema_: str | None = Field(default=None, alias="$schema", description="For editors: where the schema is.")
    version: Annotated[Literal[1], BeforeValidator(_known_version)] = Field(description="The version of this format.")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = Field(
        description="The graph's name: letters, digits and . _ -, at most 64, a letter or digit first."
    )
    description: str | None = Field(default=None, description="For people.")
    transport: Literal["auto", "ring", "zmq"] = Field(
        default="auto",
        description="How samples move between processes of one machine: shared memory, ZMQ, or what works.",
    )
    phases: Literal["cascade", "free"] = Field(
        default="cascade",
        description="Whether nodes on the clock tick in the order of the cascade, each when its data is there, or "
        "without regard to each other.",
    )
    stream_timeout: PositiveSeconds = Field(
        default=30.0, description="Seconds to wait at the start for external streams that are not fully declared."
    )
    files: list[FilePath] = Field(
        default=[],
        max_length=MAX_ENTRIES,
        description="Files and folders that nodes need on whichever host they run, besides scripts and the modules "
        "beside them that these import.",
    )
    streams: dict[Name, StreamDef] = Field(default={}, description="The streams that enter from outside, by name.")
    nodes: dict[NodeName, NodeDef] = Field(default={}, description="The scripts, by name.")
