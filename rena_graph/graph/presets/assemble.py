"""Puts a graph document together from the presets that were found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rena_graph.graph.presets.filters import filter_plan, lsl_as_read
from rena_graph.graph.presets.names import Names
from rena_graph.graph.presets.outside import Ports, output_def, short, stream_def, unsupported
from rena_graph.graph.presets.records import Found, ScriptRecord, StreamRecord
from rena_graph.graph.presets.remarks import Remarks
from rena_graph.graph.presets.script_files import ScriptFiles
from rena_graph.graph.presets.script_presets import file_name

__all__ = ["Assembly"]

_FILTER_FREQUENCY = 200
"""Loops a second of a filter's node, at most: 5 ms is what filtering may add to the latency."""

_CAPTURE = re.compile(r"(camera|monitor|webcam)[ _]?\d+", re.IGNORECASE)
"""Names that PhysioLabXR gives to the cameras and screens of a machine, without a preset in any file."""


class Assembly:
    """One graph in the making.

    Parameters
    ----------
    found : Found
        The presets.
    scripts : ScriptFiles
        Says what the graph calls a script.
    from_outlets : bool
        Whether rate and dtype of LSL streams are left to their outlets.
    remarks : Remarks
        Told what was lost, changed or assumed.
    """

    def __init__(self, found: Found, scripts: ScriptFiles, from_outlets: bool, remarks: Remarks) -> None:
        self._found = found
        self._scripts = scripts
        self._from_outlets = from_outlets
        self._remarks = remarks
        self._node_names = Names()
        self._stream_names = Names([*found.streams, *(o.name for s in found.scripts for o in s.outputs)])
        self._ports = Ports()
        self._made_by: dict[str, str] = {}
        self._feeds: dict[str, set[str]] = {}
        self._filtered: dict[str, str] = {}
        self._streams: dict[str, Any] = {}
        self._nodes: dict[str, Any] = {}

    def document(self, name: str, description: str) -> dict[str, Any]:
        """The document."""
        named = [(self._node_names.node(file_name(s.path).rpartition(".")[0]), s) for s in self._found.scripts]
        for node, script in named:
            self._nodes[node] = self._script_node(node, script)
        for node, script in named:
            self._connect(node, script)
        if not named:
            self._show_all()
        self._say_unused()
        head = {"version": 1, "name": name, "description": description}
        return {**head, "streams": self._streams, "nodes": self._nodes}

    # ---------------------------------------------------------------------------------------------- scripts
    def _script_node(self, node: str, script: ScriptRecord) -> dict[str, Any]:
        """A node without its inputs: these need to know all outputs."""
        self._feeds[node] = set()
        definition: dict[str, Any] = {"script": self._scripts.place(script.path)}
        definition["run_frequency"] = short(script.run_frequency)
        definition["inputs"] = []
        definition["buffer_duration"] = short(script.time_window)
        definition["outputs"] = outputs = {}
        for output in script.outputs:
            stream = output.name
            if stream in self._made_by:
                stream = self._stream_names.unique(f"{output.name} of {node}")
                self._remarks.changed(
                    f"output {output.name} of {node}",
                    f"named {stream!r} in the graph, since {self._made_by[output.name]} makes one of that name too: "
                    "scripts receive that one",
                )
            made = output_def(
                output, self._found.streams.get(output.name), script.run_frequency, self._ports, self._remarks
            )
            outputs[stream] = made if stream == output.name else {**made, "as": output.name}
            self._made_by[stream] = node
        definition["params"] = script.params
        if script.simulate:
            definition["simulate_input"] = True
        return definition

    def _connect(self, node: str, script: ScriptRecord) -> None:
        """Give a node its inputs, experiments standing for their streams."""
        wanted: dict[str, None] = {}
        for name in script.inputs:
            is_group = name in self._found.experiments and name not in self._found.streams
            wanted |= dict.fromkeys(self._found.experiments[name] if is_group else (name,))
        for name in wanted:
            stream = self._source(name, f"script {file_name(script.path)}", script.simulate)
            if stream is not None:
                self._nodes[node]["inputs"].append(self._input(node, name, stream))

    def _input(self, node: str, name: str, stream: str) -> str | dict[str, Any]:
        written: dict[str, Any] = {"stream": stream} if stream == name else {"stream": stream, "as": name}
        maker = self._made_by.get(name)
        if maker is not None:
            if node == maker or self._reaches(node, maker):
                written["delayed"] = True
                self._remarks.changed(
                    f"input {name} of {node}", "delayed: it closes a circle, and brings what was made before each loop"
                )
            else:
                self._feeds[maker].add(node)
            if name in self._found.streams:
                self._remarks.changed(f"stream {name}", f"comes straight from {maker}, and not by way of the network")
        return name if written == {"stream": name} else written

    def _reaches(self, start: str, end: str) -> bool:
        """Whether what `start` makes gets to `end`, through however many scripts."""
        seen, waiting = {start}, [start]
        while waiting:
            for node in self._feeds[waiting.pop()] - seen:
                seen.add(node)
                waiting.append(node)
        return end in seen

    # ---------------------------------------------------------------------------------------------- streams
    def _source(self, name: str, about: str, simulated: bool) -> str | None:
        """The stream of the graph that brings `name`, filtered as its preset says; None where there is none."""
        record = self._found.streams.get(name)
        if name not in self._made_by:
            why = "a camera or screen of PhysioLabXR's machine" if record is None and _CAPTURE.fullmatch(name) else None
            why = unsupported(record) if record is not None else why
            if why is not None:
                self._remarks.lost(about, f"its input {name!r}: {why}")
                return None
            self._declare(name, record, simulated)
        if record is None or simulated:
            return name
        if name not in self._filtered:
            self._filtered[name] = self._filter(record)
        return self._filtered[name]

    def _declare(self, name: str, record: StreamRecord | None, simulated: bool) -> None:
        """Put an external stream into the document; what makes up samples must know their format."""
        if record is None:
            self._streams.setdefault(name, {"from": {"lsl": {"name": name}}})
            self._remarks.assumed(
                f"stream {name}", "that it comes over LSL, in the format of its outlet: it has no preset"
            )
        elif simulated:
            self._streams[name] = stream_def(record, False, self._remarks)
        elif name not in self._streams:
            self._streams[name] = stream_def(record, self._from_outlets, self._remarks)

    def _filter(self, record: StreamRecord) -> str:
        """Add a node for each filter of a stream; the name of what the last one makes."""
        stream = record.name
        for found in record.filters:
            plan = filter_plan(found, record.channels)
            if isinstance(plan, str):
                self._remarks.lost(f"stream {record.name}", f"its {found.kind}: {plan}")
                continue
            made = self._stream_names.unique(f"{stream}-{plan.word}")
            dtype = lsl_as_read(record.dtype) if record.interface == "LSL" else record.dtype
            output = {"channels": record.channels, "dtype": dtype, "rate": short(record.rate), "as": "out"}
            if record.channel_names:
                output["channel_names"] = list(record.channel_names)
            node = self._node_names.node(made)
            self._nodes[node] = {
                "script": self._scripts.bundled(plan.script),
                "run_frequency": _FILTER_FREQUENCY,
                "trigger": "data",
                "inputs": [{"stream": stream, "as": "in"}],
                "outputs": {made: output},
                "params": plan.params,
                "legacy_float64": record.interface == "LSL",
            }
            stream = made
            self._remarks.changed(
                "filters", "their scripts, copied beside the graph, need SciPy: pip install 'rena-graph[signal]'"
            )
            self._remarks.changed(f"stream {record.name}", f"its {found.kind} is the node {node}; scripts get {made!r}")
        return stream

    # ---------------------------------------------------------------------------------------------- the rest
    def _show_all(self) -> None:
        """Without scripts there is nothing to run: one that says what arrives, to be replaced."""
        names = dict.fromkeys([*self._found.streams, *(n for s in self._found.experiments.values() for n in s)])
        inputs = []
        for name in names:
            stream = self._source(name, "the presets", False)
            if stream is not None:
                inputs.append(name if stream == name else {"stream": stream, "as": name})
        if inputs:
            script = self._scripts.bundled("show_streams.py")
            self._nodes["show_streams"] = {"script": script, "run_frequency": 20, "inputs": inputs}
            self._remarks.assumed(
                "scripts",
                "the node show_streams, which prints what arrives: the presets name none. Put yours in its place",
            )

    def _say_unused(self) -> None:
        if not self._found.scripts:
            return
        used = {name for script in self._found.scripts for name in script.inputs}
        groups = {name: streams for name, streams in self._found.experiments.items() if name in used}
        used |= {name for streams in groups.values() for name in streams}
        for what, names in self._unused(used, groups.keys()):
            if names:
                self._remarks.lost(what, f"left out, since no script takes them: {', '.join(sorted(names))}")

    def _unused(self, used: set[str], groups: Any) -> Iterator[tuple[str, set[str]]]:
        yield "stream presets", self._found.streams.keys() - used - self._made_by.keys()
        yield "experiment presets", self._found.experiments.keys() - groups
