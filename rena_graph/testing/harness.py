"""``ScriptHarness``: runs one script on arrays, in the test's own process, without Ray and without waiting."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np

from rena_graph.errors import UsageError
from rena_graph.graph.document import EveryTrigger, NodeDef
from rena_graph.graph.load import load_graph
from rena_graph.graph.model import Graph
from rena_graph.runtime.node.script_loader import load_script
from rena_graph.script import RenaScript
from rena_graph.streams.spec import StreamSpec
from rena_graph.testing.alone import format_of, graph_of, setup_of
from rena_graph.testing.clock import FakeClock
from rena_graph.testing.inlet import Inlet
from rena_graph.testing.lone_node import LoneNode
from rena_graph.testing.original_names import lend_names

__all__ = ["ScriptHarness"]


class ScriptHarness:
    """One script, its inputs fed and its loops run by hand; deterministic.

    As a context manager it calls the script's ``init()`` at the beginning and its ``cleanup()`` at the end::

        with ScriptHarness.from_graph("graph.json", "bandpass") as node:
            node.feed("EEG", data)
            node.loop()
            filtered, timestamps = node.outputs["EEG-filtered"]

    Names are those that the script uses. Time is a :class:`FakeClock`: before each loop it goes on by one period of the
    run frequency, and at least to the newest sample that the loop sees.

    Parameters
    ----------
    script : str | Path | type
        The script's file, or the class itself.
    node : NodeDef | mapping | None
        What would stand in the graph under the node's name; ``script`` may be left out.
    streams : mapping of str to StreamSpec
        The format of each input stream, by its name in the graph.
    name : str
        The node's name.
    folder : str | Path | None
        What parameters of type ``path`` are relative to; the script's own folder where left out.
    clock : FakeClock | None
        To share one between several nodes.
    allow_loss : bool
        Whether samples that were fed may leave the window before a loop sees them, as they may in a run. They are
        counted in :attr:`dropped` then; else that is an error, since in a test it is hardly ever meant.

    Attributes
    ----------
    script : RenaScript
        The script's object.
    outputs : SentOutputs
        ``outputs[name]`` is ``(data, timestamps)``: all that was sent so far.
    params : Params
        As the script sees them; change them with :meth:`set_params`.
    loops : int
        Calls of the script's ``loop()`` so far.

    Raises
    ------
    UsageError
        An input has no stream.
    GraphInvalid
        A graph with this node, and these streams into it, has errors.
    ScriptLoadError
        The script's file cannot be loaded.
    """

    def __init__(
        self,
        script: str | Path | type[RenaScript],
        node: NodeDef | Mapping[str, Any] | None = None,
        streams: Mapping[str, StreamSpec] | None = None,
        *,
        name: str = "script",
        folder: str | Path | None = None,
        clock: FakeClock | None = None,
        allow_loss: bool = False,
    ) -> None:
        path = Path(inspect.getfile(script) if isinstance(script, type) else script).resolve()
        self.clock = clock or FakeClock()
        self._allow_loss = allow_loss
        graph = graph_of(node or {}, streams or {}, name, path, Path(folder or path.parent))
        self.node = graph.nodes[name]
        setup = setup_of(graph, name, streams or {})
        self._return_names = lend_names(self)
        loaded = script if isinstance(script, type) else load_script(path, name)
        self._parts = LoneNode(setup, self.node, loaded, self.clock)
        self.script = self._parts.script
        self.outputs = self._parts.sent
        self.params = self._parts.params
        self.loops = 0
        self._state: Literal["made", "running", "over"] = "made"

    @classmethod
    def from_graph(
        cls,
        graph: Graph | str | Path,
        node: str,
        streams: Mapping[str, StreamSpec] | None = None,
        *,
        clock: FakeClock | None = None,
        allow_loss: bool = False,
    ) -> ScriptHarness:
        """A node of a graph, with its own script, parameters and formats.

        Parameters
        ----------
        graph : Graph | str | Path
            Loaded, or its file.
        node : str
            The node's name.
        streams : mapping of str to StreamSpec
            Formats that the graph leaves to be found outside.
        clock, allow_loss
            As for the class.

        Raises
        ------
        GraphInvalid
            The graph's file has errors.
        UsageError
            There is no such node, or the format of an input is not known.
        """
        if not isinstance(graph, Graph):
            graph = load_graph(graph)
        if node not in graph.nodes:
            raise UsageError(f"graph {graph.name!r} has no node {node!r}; it has {', '.join(graph.nodes)}")
        given = dict(streams or {})
        for edge in graph.inputs_of(node):
            if edge.input.stream not in given:
                given[edge.input.stream] = format_of(graph.streams[edge.stream])
        path = graph.script_path(node)
        return cls(path, graph.nodes[node], given, name=node, folder=graph.folder, clock=clock, allow_loss=allow_loss)

    # -- a script's life ------------------------------------------------------------------------------
    def init(self) -> None:
        """Call the script's ``init()``, once. What it puts into outputs is sent before the first loop.

        Raises
        ------
        UsageError
            It was called before.
        """
        if self._state != "made":
            raise UsageError("init() is called once, at the beginning")
        self._state = "running"
        self._parts.call(self.script.init)

    def feed(self, name: str, data: object, timestamps: object = None) -> None:
        """Let samples arrive; the next loop sees them.

        Parameters
        ----------
        name : str
            The input, by the script's name for it.
        data : array-like, shape (samples, channels)
            Cast to the stream's dtype. Also one sample ``(channels,)``; of a stream of one channel ``(samples,)``.
        timestamps : array-like or float, optional
            Seconds: one per sample, or that of the newest. Where left out each is 1/rate after the one before, and the
            first now; of an irregular stream all are now.

        Raises
        ------
        UsageError
            There is no such input, or the stream cannot carry this.
        """
        self._inlet(name).feed(data, timestamps)

    def loop(self, n: int = 1) -> None:
        """Call the script's ``loop()`` `n` times; the first call sees what was fed since the last loop.

        With a sample-counted trigger (``every``) each call sees the next whole block instead.

        Raises
        ------
        UsageError
            ``init()`` was not called, no whole block is there, or samples were lost that must not be.
        OutputRefused
            The script gave an output what it cannot carry; the other outputs were sent.
        NodeFailed
            A sample is not finite, and ``"on_nan": "fail"`` stands at its input or output.
        Exception
            Whatever the script raises; the outputs set before were sent.
        """
        if self._state != "running":
            raise UsageError("loop() comes after init() and before cleanup(); use the harness in a with statement")
        for _ in range(n):
            self._one_loop()

    def play(self, name: str, data: object, timestamps: object = None, *, block: int | None = None) -> int:
        """Feed a long recording piece by piece, with a loop after each piece.

        Parameters
        ----------
        name, data, timestamps
            As for :meth:`feed`; timestamps one per sample.
        block : int, optional
            Samples a piece. Where left out: as many as come in one period of the run frequency, or in one block of a
            sample-counted trigger.

        Returns
        -------
        int
            Loops that were run.
        """
        values = np.asarray(data)
        stamps = None if timestamps is None else np.asarray(timestamps, dtype=np.float64)
        step = block or self._samples_a_loop(name)
        before = self.loops
        for first in range(0, len(values), step):
            self.feed(name, values[first : first + step], None if stamps is None else stamps[first : first + step])
            if self._parts.gate is None:
                self.loop()
            else:
                self.drain()
        return self.loops - before

    def drain(self) -> int:
        """Run loops until all that was fed has been seen, as a run does at its end; returns how many that took.

        With a sample-counted trigger: until no whole block is left.
        """
        before = self.loops
        if self._parts.gate is None:
            if any(inlet.pending for inlet in self._parts.inlets.values()):
                self.loop()
        else:
            while self._parts.gate.ready(self.clock.now()):
                self.loop()
        return self.loops - before

    def set_params(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Change parameters, all at once, as from outside while the graph runs: the next loop sees them.

        Raises
        ------
        ParamRefused
            One of the values is of the wrong type or out of range; nothing is changed.
        """
        self.params.apply({**(values or {}), **named})

    def restart(self) -> None:
        """Let the script die after the loop that was run last, and go on in a new object, as in a run.

        What ``save_state()`` gives is encoded, a new object is made, ``init()`` called, and ``load_state()`` with what
        was decoded. The windows of the inputs stay, as do parameters and what was sent; :attr:`script` is the new
        object. A script without the two methods begins anew.

        Raises
        ------
        UsageError
            ``init()`` was not called.
        StateRefused
            What ``save_state()`` gave cannot be kept; the message says what and where.
        Exception
            Whatever the script raises.
        """
        if self._state != "running":
            raise UsageError("restart() comes after init() and before cleanup(); use the harness in a with statement")
        self._parts.restart()
        self.script = self._parts.script

    @property
    def dropped(self) -> dict[str, int]:
        """By input: samples that were fed and that no loop saw, for whatever reason."""
        return {name: inlet.dropped for name, inlet in self._parts.inlets.items()}

    def cleanup(self) -> None:
        """Call the script's ``cleanup()``; what it puts into outputs is sent. Does nothing the second time."""
        was, self._state = self._state, "over"
        try:
            if was == "running":
                self._parts.call(self.script.cleanup)
        finally:
            self._return_names()

    def __enter__(self) -> ScriptHarness:
        self.init()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.cleanup()

    # -- inside ---------------------------------------------------------------------------------------
    def _one_loop(self) -> None:
        frequency = self.node.frequency
        self.clock.advance(0.0 if math.isinf(frequency) else 1 / frequency)
        self._parts.take()
        for inlet in self._parts.inlets.values():
            if inlet.lost and not self._allow_loss:
                raise UsageError(inlet.why_lost())
            if (newest := inlet.feed_in.newest_timestamp) == newest:
                self.clock.advance_to(newest)
        self.loops += 1
        self._parts.loop()

    def _samples_a_loop(self, name: str) -> int:
        if isinstance(self.node.trigger, EveryTrigger):
            return self.node.trigger.every
        return max(1, round(self._inlet(name).spec.rate / self.node.frequency))

    def _inlet(self, name: str) -> Inlet:
        inlet = self._parts.inlets.get(name)
        if inlet is None:
            near = get_close_matches(name, self._parts.inlets, 1)
            known = ", ".join(map(repr, self._parts.inlets)) or "none"
            hint = f"did you mean {near[0]!r}?" if near else f"the inputs are: {known}"
            raise UsageError(f"the script has no input {name!r}; {hint}")
        return inlet
