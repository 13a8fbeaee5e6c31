"""Which GPUs a node's script sees: those that its placement asks for, and no other."""

from __future__ import annotations

import os

from rena_graph.graph.document import PlacementDef

__all__ = ["VARIABLES", "hide_gpus"]

VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""What CUDA and ROCm go by when they are first used in a process."""


def hide_gpus(placement: PlacementDef) -> None:
    """Leave a node that asks for no GPU none to see; to be called before its script is loaded.

    Ray names the others theirs, but leaves all to who asks for none, who would take memory from those.
    """
    if not placement.num_gpus:
        os.environ.update(dict.fromkeys(VARIABLES, ""))
