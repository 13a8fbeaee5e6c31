"""What ``rena-graph new`` writes: a script and a graph that run as they are, and show where to go on."""

from __future__ import annotations

import json

__all__ = ["SCRIPT", "graph_template"]

SCRIPT = '''\
"""Passes on what it gets, times a gain."""

from rena_graph import RenaScript


class ClassName(RenaScript):
    """Takes the graph's stream ``Signal`` and makes ``Scaled``."""

    def init(self):
        """Once, before the first loop. An error here keeps the graph from starting."""
        print(f"inputs: {self.input_names}, outputs: {self.output_names}")

    def loop(self):
        """At most `run_frequency` times a second."""
        if "Signal" not in self.inputs:
            return  # nothing has arrived yet
        data, timestamps = self.inputs["Signal"]  # (samples, channels) and (samples,), in seconds
        self.set_output("Scaled", data * self.params["gain"], timestamps)
        self.inputs.clear_buffer()  # each sample once: what is not cleared is there again in the next loop

    def cleanup(self):
        """Once, when the node stops."""

    # Where your script remembers something from loop to loop (a filter's state, a count), these two keep it when the
    # node is restarted, see docs/scripting.md:
    #
    # def save_state(self):
    #     return {"count": self.count}  # numbers, text, lists, dicts, arrays
    #
    # def load_state(self, state):
    #     self.count = state["count"]
'''
"""A script; ``ClassName`` is to be replaced."""


_GRAPH = """\
{
  "version": 1,
  "name": NAME,
  "description": "A simulated signal, scaled by a script. Put your source in place of `simulate`.",
  "streams": {
    "Signal": {
      "from": {"simulate": {"kind": "sine", "frequency": 10}},
      "channels": 8, "rate": 250, "dtype": "float32"
    }
  },
  "nodes": {
    "scale": {
      "script": SCRIPT,
      "run_frequency": 60,
      "trigger": "data",
      "inputs": ["Signal"],
      "buffer_duration": 1.0,
      "outputs": {
        "Scaled": {"channels": 8, "dtype": "float32", "rate": 250, "to": {"lsl": {"type": "Scaled"}}}
      },
      "params": {
        "gain": {"type": "float", "value": 1.0, "min": 0.0, "max": 100.0, "description": "Times each sample."}
      }
    }
  }
}
"""


def graph_template(name: str, script: str) -> str:
    """The text of a graph called `name` with one node, whose script lies at `script` (relative to the graph)."""
    return _GRAPH.replace("NAME", json.dumps(name)).replace("SCRIPT", json.dumps(script))
