"""Presets as PhysioLabXR writes them, and a shorthand for importing them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rena_graph.graph.presets import Imported, import_presets

SCRIPT = """
from physiolabxr.scripting.RenaScript import RenaScript

class Script(RenaScript):
    def loop(self):
        pass
"""


def number(value: float) -> dict[str, Any]:
    return {"name": "text", "type": "float", "value": value}


def band(*edges: float) -> dict[str, Any]:
    return {"name": "text", "type": "list", "value": [number(edge) for edge in edges]}


def stream(name: str, channels: int = 2, **more: Any) -> dict[str, Any]:
    """An entry of the saved state's ``stream_presets``."""
    return {
        "stream_name": name, "num_channels": channels, "group_info": {}, "device_info": {}, "preset_type": "LSL",
        "channel_names": None, "data_type": "float32", "port_number": None, "display_duration": 10.0,
        "nominal_sampling_rate": 250, "can_edit_channel_names": True, **more,
    }  # fmt: skip


def filtered(name: str, *processors: dict[str, Any], channels: int = 2, **more: Any) -> dict[str, Any]:
    """The same, with filters on a group of all its channels."""
    group = {"group_name": "G", "channel_indices": list(range(channels)), "data_processors": list(processors)}
    return stream(name, channels, group_info={"G": group}, **more)


def processor(kind: str, active: bool = True, **settings: Any) -> dict[str, Any]:
    state = {"data_processor_type": kind, "data_processor_activated": active, "data_processor_valid": True}
    return {**state, "channel_num": 2, **settings}


def output(name: str, channels: int = 2, interface: str = "LSL", dtype: str = "float32", port: Any = None) -> Any:
    return {
        "stream_name": name, "num_channels": channels, "interface_type": interface, "data_type": dtype,
        "port_number": port,
    }  # fmt: skip


def script(path: Path | str, inputs: list[str], outputs: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """An entry of the saved state's ``script_presets``."""
    return {
        "id": "8f7e3a52", "inputs": inputs, "output_presets": outputs or [], "param_presets": [],
        "run_frequency": "15", "time_window": "10", "script_path": str(path), "is_simulate": False, **more,
    }  # fmt: skip


def state(
    streams: list[dict[str, Any]], scripts: list[dict[str, Any]], experiments: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    return {
        "_preset_root": "/somewhere",
        "stream_presets": {s["stream_name"]: s for s in streams},
        "script_presets": {f"id{i}": s for i, s in enumerate(scripts)},
        "experiment_presets": experiments or {},
    }


class Study:
    """A folder to import from and into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.presets = folder / "_presets.json"

    def script(self, name: str, text: str = SCRIPT) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, saved: dict[str, Any], **options: Any) -> Imported:
        """Import a saved state into ``graph.json`` beside it."""
        self.presets.write_text(json.dumps(saved))
        return import_presets([self.presets], self.folder / "graph.json", **options)


def said(imported: Imported, kind: str, about: str = "") -> list[str]:
    """What was said of a kind, and about something."""
    return [r.text for r in imported.remarks if r.kind == kind and about in r.about]
