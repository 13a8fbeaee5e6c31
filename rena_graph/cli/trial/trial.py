"""One script run on recorded inputs, from ``init()`` to ``cleanup()``, and what is to be told about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rena_graph.cli.trial.recorded import RecordedInput, first_stamp, pieces_by_count, pieces_by_time
from rena_graph.cli.trial.watch import Watched
from rena_graph.errors import NodeFailed, OutputRefused
from rena_graph.graph.document import MAX_RATE
from rena_graph.runtime.node.parts import describe_inputs
from rena_graph.runtime.node.script_loader import format_user_error
from rena_graph.script import conventions
from rena_graph.testing.clock import FakeClock
from rena_graph.testing.harness import ScriptHarness

__all__ = ["Trial", "TrialOptions"]

_ERRORS_KEPT = 20
_DEFAULT_FREQUENCY = 60.0


@dataclass(frozen=True)
class TrialOptions:
    """How a script is tried.

    Parameters
    ----------
    outputs : mapping
        By name: ``channels``, ``dtype`` and ``rate``, as in a graph.
    params : mapping
        By name.
    block : int | None
        Samples of the first input between two loops; None: what arrives in a period of `frequency`.
    frequency : float | None
        Run frequency in Hz; None: what `block` makes of the first input's rate, else 60.
    buffer_duration : float
        Seconds of each input that the script sees.
    loops : int | None
        At most; of a script without inputs, how many (None: one second's).
    """

    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    block: int | None = None
    frequency: float | None = None
    buffer_duration: float = 1.0
    loops: int | None = None

    def hertz(self, inputs: Sequence[RecordedInput]) -> float:
        """The run frequency, in Hz."""
        if self.frequency is not None:
            return self.frequency
        if self.block is not None and inputs and inputs[0].spec.rate > 0:
            return min(MAX_RATE, inputs[0].spec.rate / self.block)
        return _DEFAULT_FREQUENCY


class Trial:
    """Runs one script.

    Parameters
    ----------
    script : Path
        Its file.
    inputs : sequence of RecordedInput
        What it is fed with.
    options : TrialOptions
        How.
    say : callable
        Told of each error when it first occurs.

    Raises
    ------
    ScriptLoadError, GraphInvalid
        The script's file, or what was declared for it, is wrong.
    """

    def __init__(
        self, script: Path, inputs: Sequence[RecordedInput], options: TrialOptions, say: Callable[[str], None]
    ) -> None:
        self._path = script
        self._inputs = tuple(inputs)
        self._options = options
        self._say = say
        self._hertz = options.hertz(inputs)
        # The clock shows the recording's own time, so that stamps of outputs compare with those of inputs.
        self._clock = FakeClock(first_stamp(inputs))
        node = {
            "inputs": [i.spec.name for i in inputs],
            "outputs": {name: dict(output) for name, output in options.outputs.items()},
            "params": dict(options.params),
            "run_frequency": self._hertz,
            "buffer_duration": options.buffer_duration,
        }
        specs = {i.spec.name: i.spec for i in inputs}
        self.harness = ScriptHarness(script, node, specs, name=script.stem, clock=self._clock, allow_loss=True)
        self.watched = Watched(self.harness.script, conventions(type(self.harness.script)).output_rule)
        self.errors: dict[str, dict[str, Any]] = {}
        """By what they say: ``loop`` (the first that it happened in, from 1), ``text`` and ``count``."""
        self.well = 0
        """Loops without an error."""

    def run(self) -> None:
        """The whole life of the script.

        Raises
        ------
        NodeFailed
            Its ``init()`` or ``cleanup()`` raised.
        """
        try:
            self._life("init", self.harness.init)
            self._loop_all()
        finally:
            self._life("cleanup", self.harness.cleanup)

    def _life(self, what: str, method: Callable[[], None]) -> None:
        try:
            method()
        except OutputRefused as refusal:
            self._note(refusal, f"{what}(): {refusal}")
        except (Exception, SystemExit) as error:
            raise NodeFailed(f"{what}() failed\n{format_user_error(error, self._path)}") from error

    def _loop_all(self) -> None:
        limit = math.inf if self._options.loops is None else self._options.loops
        if not self._inputs:
            for _ in range(self._options.loops or max(1, round(self._hertz))):
                if not self._one_loop():
                    return
            return
        block = self._options.block
        by_time = block is None
        pieces = pieces_by_time(self._inputs, self._hertz) if block is None else pieces_by_count(self._inputs, block)
        start = first_stamp(self._inputs)
        for number, parts in pieces:
            if self.harness.loops >= limit:
                return
            for recorded, part in zip(self._inputs, parts, strict=True):
                self.harness.feed(recorded.spec.name, recorded.data[part], recorded.timestamps[part])
            if by_time:
                self._clock.advance_to(start + number / self._hertz)
            if not self._one_loop():
                return

    def _one_loop(self) -> bool:
        """Whether to go on."""
        try:
            self.harness.loop()
        except OutputRefused as refusal:
            self._note(refusal, f"output refused in loop {self.harness.loops}: {refusal}")
        except SystemExit as end:
            if end.code:
                self._failed(end)
            return False
        except Exception as error:  # noqa: BLE001 - whatever a user's script raises is told, and the next loop comes
            self._failed(error)
        else:
            self.well += 1
        return True

    def _failed(self, error: BaseException) -> None:
        shapes = describe_inputs(self.harness.script.inputs)
        head = f"loop {self.harness.loops} failed after {self.well} that went well (inputs: {shapes})"
        self._note(error, f"{head}\n{format_user_error(error, self._path)}")

    def _note(self, error: BaseException, text: str) -> None:
        key = f"{type(error).__name__}: {error}"
        known = self.errors.get(key)
        if known is not None:
            known["count"] += 1
        elif len(self.errors) < _ERRORS_KEPT:
            self.errors[key] = {"error": key, "loop": self.harness.loops, "count": 1, "text": text}
            self._say(text)

    # -- what is to be told --------------------------------------------------------------------------
    def report(self) -> dict[str, Any]:
        """Everything, as JSON-able values; times in seconds, rates in Hz."""
        times = np.array(self.watched.loop_ns) / 1e9
        return {
            "script": str(self._path),
            "class": type(self.harness.script).__name__,
            "run_frequency": self._hertz,
            "loops": self.harness.loops,
            "loops_well": self.well,
            "loop_mean": float(times.mean()) if len(times) else None,
            "loop_p99": float(np.quantile(times, 0.99)) if len(times) else None,
            "loop_max": float(times.max()) if len(times) else None,
            "inputs": {i.spec.name: self._input(i) for i in self._inputs},
            "outputs": {name: self._output(name) for name in self.harness.outputs},
            "undeclared": dict(self.watched.undeclared),
            "errors": list(self.errors.values()),
        }

    def _input(self, recorded: RecordedInput) -> dict[str, Any]:
        spec = recorded.spec
        fed = {"dropped": self.harness.dropped[spec.name], "raised": recorded.raised}
        return {**_stream(spec.channels, spec.dtype, spec.rate, recorded.timestamps), **fed}

    def _output(self, name: str) -> dict[str, Any]:
        output = self.harness.node.outputs[name]
        return _stream(output.channels, output.dtype, output.rate, self.harness.outputs[name][1])


def _stream(channels: int, dtype: str, rate: float, stamps: Any) -> dict[str, Any]:
    ends = {"first": float(stamps[0]), "last": float(stamps[-1])} if len(stamps) else {"first": None, "last": None}
    return {"samples": len(stamps), "channels": channels, "dtype": dtype, "rate": rate, **ends}
