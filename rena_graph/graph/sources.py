"""The document's models for streams that enter the graph from outside."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from rena_graph.graph.fields import MAX_RATE, Channels, DType, FilePath, HostName, Label, Model, Name, Port, Rate

__all__ = ["LslSource", "RecordingSource", "SimulateSource", "SourceDef", "StreamDef", "ZmqSource"]

KINDS = ("lsl", "zmq", "recording", "simulate")


class LslSource(Model):
    """An LSL stream on the network, found by what is given here (all of it must match)."""

    name: Name | None = Field(default=None, description="The stream's name on the network.")
    type: Name | None = Field(default=None, description="The stream's content type, such as EEG.")
    source_id: Name | None = Field(default=None, description="The outlet's source_id.")
    predicate: Name | None = Field(default=None, description="An XPath predicate, as liblsl's resolve takes it.")

    @model_validator(mode="after")
    def _says_something(self) -> LslSource:
        if not (self.name or self.type or self.source_id or self.predicate):
            raise PydanticCustomError("alternatives", "at least one of name, type, source_id, predicate")
        return self


class ZmqSource(Model):
    """A ZMQ publisher in PhysioLabXR's format: ``[topic, timestamp, samples]``."""

    host: HostName = Field(default="127.0.0.1", description="Where the publisher is bound.")
    port: Port = Field(description="The publisher's TCP port.")
    topic: Name | None = Field(default=None, description="The topic, exactly; the stream's name where left out.")
    clock: Literal["lsl", "unix", "arrival"] = Field(
        default="arrival", description="What the sender's timestamps are: its LSL clock, Unix time, or not to be used."
    )


class RecordingSource(Model):
    """A recorded file, played as if it were live."""

    path: FilePath = Field(description="An XDF or NPZ file, relative to the graph file.")
    stream: Name | None = Field(default=None, description="The stream's name within an XDF file that holds several.")
    speed: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = Field(
        default=1.0, description="How many seconds of the recording are played in one second."
    )
    loop: bool = Field(default=False, description="Start again at the end.")


class SimulateSource(Model):
    """Samples made up on the spot."""

    kind: Literal["random", "sine", "counter"] = Field(default="random", description="What the samples are.")
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = Field(
        default=None, description="Of the random kind, to make it repeatable."
    )
    frequency: Annotated[float, Field(gt=0, le=MAX_RATE, allow_inf_nan=False)] = Field(
        default=1.0, description="Hz; of the sine."
    )
    samples: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="The stream ends after so many samples."
    )


class SourceDef(Model):
    """Exactly one of the kinds of source."""

    lsl: LslSource | None = Field(default=None, description="An LSL stream on the network.")
    zmq: ZmqSource | None = Field(default=None, description="A ZMQ publisher.")
    recording: RecordingSource | None = Field(default=None, description="A recorded file.")
    simulate: SimulateSource | None = Field(default=None, description="Samples made up on the spot.")

    @model_validator(mode="after")
    def _exactly_one(self) -> SourceDef:
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise PydanticCustomError("alternatives", "exactly one of lsl, zmq, recording, simulate")
        return self

    @property
    def kind(self) -> str:
        """``'lsl'``, ``'zmq'``, ``'recording'`` or ``'simulate'``."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def live(self) -> bool:
        """Whether the outside goes on whether or not we keep up (so that nobody can make it wait)."""
        return self.kind in ("lsl", "zmq")


class StreamDef(Model):
    """A stream that enters the graph from outside."""

    source: SourceDef = Field(alias="from", description="Where the stream comes from.")
    host: Name | None = Field(default=None, description="The machine on which it enters the graph; any where left out.")
    channels: Channels | None = Field(
        default=None, description="Values per sample; taken from the source where left out."
    )
    rate: Rate | None = Field(default=None, description="Nominal rate in Hz; 0 is irregular.")
    dtype: DType | None = Field(default=None, description="Type of the values; taken from the source where left out.")
    channel_names: list[Label] | None = Field(default=None, description="One label per channel.")
    unit: str | None = Field(default=None, description="Unit of all channels, such as uV.")
    description: str | None = Field(default=None, description="For people.")
