"""The class that users subclass: one script of a graph."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from rena_graph.errors import ScriptLoadError
from rena_graph.streams.convert import OrientationRule
from rena_graph.streams.inputs import Inputs, Layout
from rena_graph.streams.outputs import Outputs
from rena_graph.streams.params import Params
from rena_graph.streams.presets import StreamPresets
from rena_graph.streams.spec import StreamSpec

__all__ = ["Conventions", "LoopInfo", "RenaScript", "ScriptContext", "conventions", "half_kept", "keeps_state"]


@dataclass
class LoopInfo:
    """Which loop this is; the runtime fills it in before each.

    Parameters
    ----------
    number : int
        Of the current loop, from 0; -1 before the first.
    started : float
        Graph time, in seconds, at which it started.
    previous : float
        Graph time at which the loop before it started; NaN in the first.
    """

    number: int = -1
    started: float = math.nan
    previous: float = math.nan

    def begin(self, now: float) -> None:
        """The next loop starts, at `now`."""
        self.number += 1
        self.previous, self.started = self.started, now


@dataclass
class ScriptContext:
    """All that a script is given; made by the runtime, or by a test.

    Parameters
    ----------
    inputs : Inputs
        ``self.inputs``.
    outputs : Outputs
        ``self.outputs``.
    params : Params
        ``self.params``.
    clock : callable
        Graph time in seconds: ``self.local_clock()``.
    node : str
        The node's name.
    run_frequency : float
        Loops a second, at most.
    buffer_duration : float
        Seconds that the input buffers hold.
    streams : mapping of str to StreamSpec
        The streams of inputs, by the script's names for them; where left out, taken from the inputs.
    simulate_input : bool
        Whether the inputs are made up.
    loop : LoopInfo
        The current loop.
    """

    inputs: Inputs
    outputs: Outputs
    params: Params
    clock: Callable[[], float]
    node: str = ""
    run_frequency: float = 60.0
    buffer_duration: float = 1.0
    streams: Mapping[str, StreamSpec] = field(default_factory=dict)
    simulate_input: bool = False
    loop: LoopInfo = field(default_factory=LoopInfo)

    def __post_init__(self) -> None:
        if not self.streams:
            self.streams = {port.name: port.spec for port in self.inputs.ports}


class RenaScript(ABC):
    """One script: subclass it, and write :meth:`loop`.

    The runtime makes one object of it, calls :meth:`init` once, then :meth:`loop` again and again, then
    :meth:`cleanup`. A subclass may have an ``__init__(self, *args, **kwargs)``, which then calls
    ``super().__init__(*args, **kwargs)``.

    Attributes
    ----------
    inputs : Inputs
        What has arrived: ``data, timestamps = self.inputs['EEG']``.
    outputs : Outputs
        What to send after this loop: ``self.outputs['psd'] = values``.
    params : Params
        The parameters: ``self.params['threshold']``.
    input_names, output_names : list of str
        As the script knows them.
    output_num_channels : dict of str to int
        Channels of each output.
    input_shapes : dict of str to (int, int)
        The shape of each input's data when its buffer is full, in this node's layout.
    presets : StreamPresets
        ``self.presets['EEG'].nominal_sampling_rate`` and the like.
    run_frequency : float
        Loops a second, at most.
    loop_info : LoopInfo
        Which loop this is.
    node_name : str
        The node's name in the graph.
    """

    default_layout: ClassVar[Layout] = "samples_first"
    """Which axis of the inputs' data comes first, where the graph does not say."""
    original_names: ClassVar[bool] = False
    """Whether the script was written for PhysioLabXR: outputs either way round, inputs as float64 or int64."""

    def __init__(self, *args: object, context: ScriptContext | None = None, **kwargs: object) -> None:
        if context is None:
            raise ScriptLoadError(
                f"{type(self).__name__} was made without a context; its __init__(self, *args, **kwargs) must call "
                "super().__init__(*args, **kwargs), and only a node or rena_graph.testing can make one"
            )
        self._context = context
        self.node_name = context.node
        self.inputs = context.inputs
        self.outputs = context.outputs
        self.params = context.params
        self.run_frequency = context.run_frequency
        self.time_window = context.buffer_duration
        self.is_simulate = context.simulate_input
        self.loop_info = context.loop
        ports = context.outputs.ports
        self.input_names = [port.name for port in context.inputs.ports]
        self.output_names = [port.name for port in ports]
        self.output_num_channels = {port.name: port.spec.channels for port in ports}
        self.input_shapes = {port.name: port.full_shape for port in context.inputs.ports}
        self.presets = StreamPresets({port.name: port.spec for port in ports} | dict(context.streams))

    def init(self) -> None:  # noqa: B027 - a script may well do without
        """Called once, before the first loop."""

    @abstractmethod
    def loop(self) -> None:
        """Called at ``run_frequency`` times a second, at most."""

    def cleanup(self) -> None:  # noqa: B027 - a script may well do without
        """Called once, when the node stops."""

    def save_state(self) -> Any:
        """Give what a restarted node needs to go on as if nothing had happened; called after each loop.

        Optional: a script that has both this and :meth:`load_state` keeps state across restarts. What it returns is
        committed together with the positions of its inputs, after its outputs are out.

        Returns
        -------
        object
            Made of None, bool, int, float, str, bytes, list, tuple, dict, numpy arrays and numpy scalars; it is copied
            at once. Anything else is refused and counted, and a restart then goes back to the last state that was not.
        """
        return None

    def load_state(self, state: Any) -> None:  # noqa: B027 - a script may well do without
        """Take up what :meth:`save_state` of the process before this one gave last; called after :meth:`init`.

        Also after the script was changed (``launch --reload``). An exception here is one in ``init()``.
        """

    def set_output(self, stream_name: str, data: Any, timestamp: Any = None) -> None:
        """Send `data` after this loop, with timestamps of the script's own.

        Parameters
        ----------
        stream_name : str
            The output.
        data : object
            As for ``self.outputs[stream_name] = data``.
        timestamp : float or sequence of float, optional
            Seconds of graph time: one, of the newest sample, or one per sample. Now, where left out.
        """
        self.outputs.set(stream_name, data, timestamp)

    def local_clock(self) -> float:
        """Graph time in seconds: the clock of all timestamps in the graph."""
        return self._context.clock()

    def get_stream_info(self, stream_name: str, info: str) -> Any:
        """A fact about a stream.

        Parameters
        ----------
        stream_name : str
            An input or output.
        info : {'NominalSamplingRate', 'ChannelNames', 'DataType'}
            Which.

        Returns
        -------
        float, list of str or str
            The rate in Hz, the channels' names, the dtype.

        Raises
        ------
        KeyError
            The script has no such stream.
        ValueError
            There is no such fact.
        """
        preset = self.presets[stream_name]
        if info == "NominalSamplingRate":
            return preset.nominal_sampling_rate
        if info == "ChannelNames":
            return list(preset.channel_names)
        if info == "DataType":
            return preset.data_type
        raise ValueError(f"no stream info {info!r}: there is NominalSamplingRate, ChannelNames and DataType")


_STATE_METHODS = ("save_state", "load_state")


def keeps_state(script: type[RenaScript]) -> bool:
    """Whether a script keeps state across restarts: it has both methods for it."""
    return all(getattr(script, name) is not getattr(RenaScript, name) for name in _STATE_METHODS)


def half_kept(script: type[RenaScript]) -> str | None:
    """What to tell the author of a script that has one of the two methods that keep state, and not the other."""
    there = [name for name in _STATE_METHODS if getattr(script, name) is not getattr(RenaScript, name)]
    if len(there) != 1:
        return None
    missing = next(name for name in _STATE_METHODS if name not in there)
    return f"{script.__name__} has {there[0]}() and no {missing}(): nothing is kept across restarts"


class Conventions(NamedTuple):
    """How a script is handed its data."""

    layout: Layout
    """Which axis of the inputs' data comes first."""
    output_rule: OrientationRule
    """How outputs of two dimensions are read."""
    legacy_float64: bool
    """Whether inputs are handed over as float64 and int64."""


def conventions(
    script: type[RenaScript], layout: Layout | None = None, legacy_float64: bool | None = None
) -> Conventions:
    """What holds for a script, from its class and from what its node in the graph says (None: nothing).

    A script with PhysioLabXR's names may give its outputs either way round, unless the node states a layout.
    """
    chosen = layout or script.default_layout
    return Conventions(
        layout=chosen,
        output_rule="original" if script.original_names and layout is None else chosen,
        legacy_float64=script.original_names if legacy_float64 is None else legacy_float64,
    )
