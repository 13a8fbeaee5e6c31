import json
import sys
from pathlib import Path

import ray
import rgt_extra

import rena_graph
from rena_graph import RenaScript


class TellsPackages(RenaScript):
    """Writes down what it imported, and from where."""

    def init(self):
        said = {
            "version": rgt_extra.VERSION, "file": rgt_extra.__file__, "python": sys.executable,
            "ray": ray.__version__, "rena_graph": rena_graph.__file__,
        }  # fmt: skip
        Path(self.params["out"]).write_text(json.dumps(said))

    def loop(self):
        pass
