"""One script on a desk: fed by hand, looped by hand, its outputs collected. No processes, no Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rena_graph.errors import OutputRefused
from rena_graph.script import RenaScript, ScriptContext, conventions
from rena_graph.streams.buffer import InputBuffer, legacy_dtype
from rena_graph.streams.inputs import InputPort, Inputs, Layout
from rena_graph.streams.outputs import OutputPort, Outputs
from rena_graph.streams.params import Params
from rena_graph.streams.spec import StreamSpec

EEG = StreamSpec("EEG", 3, "float32", 10.0, ("C3", "Cz", "C4"), "uV")
MARKERS = StreamSpec("markers", 1, "string", 0.0)
Chunk = tuple[NDArray[Any], NDArray[np.float64]]


class Idle(RenaScript):
    """Does nothing: for tests that look at what a script is given."""

    def loop(self) -> None:
        pass


class Node:
    """A script with its inputs, outputs and parameters, put together as a node does it."""

    def __init__(
        self,
        script: type[RenaScript] = Idle,
        *,
        inputs: Sequence[StreamSpec] = (EEG,),
        outputs: Sequence[StreamSpec] = (),
        params: Mapping[str, Any] | None = None,
        layout: Layout | None = None,
        legacy_float64: bool | None = None,
        duration: float = 1.0,
        max_samples: int = 100,
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        rules = conventions(script, layout, legacy_float64)
        names = dict(renamed or {})
        self.now = 1000.0
        self.refused: list[str] = []
        self.sent: dict[str, list[Chunk]] = {}
        ports = []
        for spec in inputs:
            dtype = legacy_dtype(spec.numpy_dtype) if rules.legacy_float64 else None
            buffer = InputBuffer(spec, spec.window(duration, max_samples), dtype=dtype, duration=duration)
            ports.append(InputPort(names.get(spec.name, spec.name), buffer, rules.layout))
        self.outputs = Outputs(
            [OutputPort(names.get(spec.name, spec.name), spec) for spec in outputs],
            channels_first_rule=rules.output_rule,
            node="desk",
        )
        self.inputs = Inputs(ports)
        self.params = Params(params)
        self.context = ScriptContext(
            self.inputs, self.outputs, self.params, lambda: self.now, node="desk", buffer_duration=duration
        )
        self.script = script(context=self.context)

    def feed(self, name: str, data: object, stamps: Sequence[float]) -> None:
        """Let samples arrive: ``(samples, channels)``."""
        port = self.inputs.port(name)
        assert isinstance(port.buffer, InputBuffer)
        port.buffer.append(np.asarray(data, port.buffer.spec.numpy_dtype), np.asarray(stamps, np.float64))

    def count(self, samples: int, first: int = 0) -> None:
        """Let EEG samples arrive, numbered in channel 0, stamped 0.1 s apart."""
        numbers = np.arange(first, first + samples)
        self.feed("EEG", np.stack([numbers, -numbers, numbers * 0], axis=1), [n / 10 for n in numbers])

    def begin(self) -> Inputs:
        """Begin a loop, without calling the script."""
        self.inputs.begin_loop()
        self.context.loop.begin(self.now)
        return self.inputs

    def loop(self) -> None:
        """One whole loop; what the script raises comes out after its outputs were collected."""
        self.begin()
        try:
            self.script.loop()
        finally:
            self.collect()

    def collect(self) -> None:
        """Take the outputs."""

        def refuse(refusal: OutputRefused) -> None:
            self.refused.append(str(refusal))

        for index, data, stamps in self.outputs.collect(self.now, refuse):
            self.sent.setdefault(self.outputs.ports[index].name, []).append((data.copy(), stamps))

    def send(self, name: str, value: object) -> None:
        """Assign to an output, as a script does, and collect."""
        self.script.outputs[name] = value
        self.collect()
