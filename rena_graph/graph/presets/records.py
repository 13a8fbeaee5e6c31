"""PhysioLabXR's presets as plain records: what was found in its files, before it becomes a graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Filter", "Found", "OutputRecord", "ScriptRecord", "StreamRecord"]


@dataclass(frozen=True)
class Filter:
    """One of the filters (``data_processors``) that change what scripts receive of a stream.

    Parameters
    ----------
    kind : str
        The original's name for it, such as ``NotchFilter``.
    settings : dict
        Its numbers, by the original's names.
    channels : tuple of int
        Indices of the channels that it changes.
    """

    kind: str
    settings: dict[str, float]
    channels: tuple[int, ...]


@dataclass(frozen=True)
class StreamRecord:
    """A stream preset.

    Parameters
    ----------
    name : str
        The stream's name, by which it is found outside.
    interface : str
        ``LSL`` or ``ZMQ``, or a kind that has no place in a graph, such as ``AUDIO``.
    channels : int
        Values per sample.
    rate : float
        Nominal, in Hz.
    dtype : str
        Of the values, by the original's names.
    channel_names : tuple of str
        As many as channels, or none.
    port : int | None
        Of the publisher, for ZMQ.
    filters : tuple of Filter
        In the order in which they are applied.
    origin : str
        The file that it stands in.
    """

    name: str
    interface: str
    channels: int
    rate: float
    dtype: str
    channel_names: tuple[str, ...] = ()
    port: int | None = None
    filters: tuple[Filter, ...] = ()
    origin: str = ""


@dataclass(frozen=True)
class OutputRecord:
    """An output of a script preset: a stream that it makes, and how that is broadcast."""

    name: str
    channels: int
    dtype: str
    interface: str
    port: int | None


@dataclass(frozen=True)
class ScriptRecord:
    """A script preset.

    Parameters
    ----------
    path : str
        The script's file, as the original wrote it: absolute, maybe of another machine.
    inputs : tuple of str
        Streams and experiments.
    outputs : tuple of OutputRecord
        What it makes.
    params : dict
        Name to ``{"type": ..., "value": ...}``.
    run_frequency, time_window : float
        Hz, and the seconds that its input buffers hold.
    simulate : bool
        Whether its inputs are made up.
    """

    path: str
    inputs: tuple[str, ...]
    outputs: tuple[OutputRecord, ...]
    params: dict[str, dict[str, Any]]
    run_frequency: float
    time_window: float
    simulate: bool


@dataclass
class Found:
    """All presets of the files that were given."""

    streams: dict[str, StreamRecord] = field(default_factory=dict)
    experiments: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scripts: list[ScriptRecord] = field(default_factory=list)
