"""A node put together from its setup without transport, board or process: what :class:`ScriptHarness` drives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rena_graph import compat
from rena_graph.errors import NodeFailed, OutputRefused, UsageError
from rena_graph.graph.document import EveryTrigger, NodeDef
from rena_graph.runtime.node.gate import EveryGate
from rena_graph.runtime.node.script_loader import instantiate
from rena_graph.runtime.setup import NodeSetup
from rena_graph.script import LoopInfo, RenaScript, ScriptContext, conventions, keeps_state
from rena_graph.streams.finite import NotFinite
from rena_graph.streams.inputs import Inputs
from rena_graph.streams.outputs import OutputPort, Outputs
from rena_graph.streams.params import Params
from rena_graph.streams.state_codec import decode_state, encode_state
from rena_graph.testing.clock import FakeClock
from rena_graph.testing.inlet import Inlet
from rena_graph.testing.outlets import SentOutputs

__all__ = ["LoneNode"]


class LoneNode:
    """The parts of one node, with memory at both ends.

    Parameters
    ----------
    setup : NodeSetup
        As a node's process is told it.
    definition : NodeDef
        As the graph has it.
    script_class : type
        The script.
    clock : FakeClock
        Its time.

    Attributes
    ----------
    inlets : dict of str to Inlet
        By the script's names.
    gate : EveryGate | None
        Of a sample-counted trigger.
    sent : SentOutputs
        What the script has sent.
    """

    def __init__(self, setup: NodeSetup, definition: NodeDef, script_class: type[RenaScript], clock: FakeClock) -> None:
        rules = conventions(script_class, definition.layout, definition.legacy_float64)
        self._clock = clock
        self.inlets = {i.spec.name: Inlet(i, definition.buffer_duration, rules, clock) for i in setup.inputs}
        self.gate = self._gate(definition)
        self._inputs = Inputs([inlet.feed_in.port for inlet in self.inlets.values()])
        ports = [OutputPort(o.name, o.port.spec, o.on_nan) for o in setup.outputs]
        self._outputs = Outputs(ports, channels_first_rule=rules.output_rule, node=setup.name)
        self.sent = SentOutputs({port.name: port.spec for port in ports})
        self.params = Params(definition.params, folder=setup.folder)
        self._loop_info = LoopInfo()
        self._context = ScriptContext(
            inputs=self._inputs,
            outputs=self._outputs,
            params=self.params,
            clock=clock.now,
            node=setup.name,
            run_frequency=definition.frequency,
            buffer_duration=definition.buffer_duration,
            streams={i.spec.name: i.spec for i in setup.inputs},
            simulate_input=definition.simulate_input,
            loop=self._loop_info,
        )
        self.script = instantiate(script_class, self._context)

    def _gate(self, definition: NodeDef) -> EveryGate | None:
        trigger = definition.trigger
        if not isinstance(trigger, EveryTrigger):
            return None
        immediate = [i.feed_in for i in self.inlets.values() if not i.feed_in.setup.definition.delayed]
        block = next(feed for feed in immediate if feed.setup.definition.stream == trigger.stream)
        others = [feed for feed in immediate if feed is not block]
        # Waiting for the others is over at once: what a test wants the loop to see, it has fed.
        return EveryGate(block, others, trigger.every, 0.0)

    def take(self) -> None:
        """Let the next loop see what was fed; of a sample-counted trigger, the next block.

        Raises
        ------
        UsageError
            No whole block is there.
        """
        feeds = [inlet.feed_in for inlet in self.inlets.values()]
        if self.gate is not None:
            if not self.gate.ready(self._clock.now()):
                raise UsageError("a loop of this node needs a whole block of samples, and there is none: feed more")
            self.gate.take()
            feeds = [feed for feed in feeds if feed.setup.definition.delayed]
        for feed in feeds:
            feed.take()

    def restart(self) -> None:
        """Another object of the script takes this one's place, as a new process takes that of one that died.

        Raises
        ------
        StateRefused
            ``save_state()`` gave something that cannot be kept.
        """
        script_class = type(self.script)
        kept = encode_state(self.script.save_state()) if keeps_state(script_class) else None
        for name in self._outputs:
            self._outputs[name] = None
        self._loop_info = LoopInfo()
        self._context = replace(self._context, loop=self._loop_info)
        self.script = instantiate(script_class, self._context)
        self.call(self.script.init)
        if kept is not None:
            self.script.load_state(decode_state(kept))

    def loop(self) -> None:
        """One call of the script's ``loop()``; see :meth:`call`."""
        self._inputs.begin_loop()
        self._loop_info.begin(self._clock.now())
        self.call(self.script.loop)

    def call(self, method: Callable[[], None]) -> None:
        """Call the script, and send what it leaves in its outputs, whether or not it raises.

        Raises
        ------
        OutputRefused
            An output cannot carry what it was given; the others were sent.
        NodeFailed
            It was given what is not finite, and the graph says that the node fails then; the others were sent.
        """
        refusals: list[OutputRefused] = []
        left_out: list[NotFinite] = []
        compat.set_clock(self._clock.now)  # of several nodes under test, the one whose turn it is
        try:
            method()
        finally:
            for index, data, stamps in self._outputs.collect(self._clock.now(), refusals.append, left_out.append):
                self.sent.add(self._outputs.ports[index].name, data, stamps)
        if refusals:
            raise refusals[0]
        for found in left_out:
            if found.fails:
                raise NodeFailed(found.text)
