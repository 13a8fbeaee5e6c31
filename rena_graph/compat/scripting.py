"""``physiolabxr.scripting.RenaScript``: our base class with the original's conventions."""

from __future__ import annotations

from typing import ClassVar

from rena_graph import script
from rena_graph.streams.inputs import Layout

__all__ = ["RenaScript"]


class RenaScript(script.RenaScript):
    """A script as PhysioLabXR runs it.

    Inputs come as ``(channels, samples)``, float64 or int64; outputs of two dimensions may lie either way round.
    """

    default_layout: ClassVar[Layout] = "channels_first"
    original_names: ClassVar[bool] = True
