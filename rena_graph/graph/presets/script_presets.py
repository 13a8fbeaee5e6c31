"""Reads one script preset of the saved state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any

from rena_graph.graph.document import MAX_BUFFER_DURATION, MAX_CHANNELS, MAX_RATE
from rena_graph.graph.presets.records import OutputRecord, ScriptRecord
from rena_graph.graph.presets.remarks import Remarks
from rena_graph.graph.presets.values import name_of, number, param, truth, whole

__all__ = ["file_name", "script_record"]

_READ = {
    "id", "inputs", "output_presets", "param_presets", "run_frequency", "time_window", "script_path", "is_simulate",
}  # fmt: skip
_DEFAULT_FREQUENCY = 60.0
_DEFAULT_WINDOW = 1.0


def file_name(path: str) -> str:
    """The last part of a path of any machine: Windows' rules read those of others too."""
    return PureWindowsPath(path).name


def script_record(preset: object, key: str, remarks: Remarks) -> ScriptRecord | None:
    """The record of a script preset; None, with a remark, where it names no script."""
    path = preset.get("script_path") if isinstance(preset, dict) else None
    if not isinstance(preset, dict) or not isinstance(path, str) or not file_name(path) or not path.isprintable():
        remarks.lost(f"script preset {key}", "it names no script file")
        return None
    about = f"script {file_name(path)}"
    unread = sorted(preset.keys() - _READ)
    if unread:
        remarks.lost(about, f"what its preset says of {', '.join(map(str, unread))}: a graph has no place for it")
    outputs = [_output(item, about, remarks) for item in _list(preset, "output_presets", about, remarks)]
    return ScriptRecord(
        path, _inputs(preset, about, remarks), tuple(o for o in outputs if o is not None),
        _params(preset, about, remarks),
        _positive(preset, "run_frequency", _DEFAULT_FREQUENCY, MAX_RATE, "Hz", about, remarks),
        _positive(preset, "time_window", _DEFAULT_WINDOW, MAX_BUFFER_DURATION, "s", about, remarks),
        bool(truth(preset.get("is_simulate"))),
    )  # fmt: skip


def _list(preset: Mapping[str, Any], key: str, about: str, remarks: Remarks) -> list[Any]:
    value = preset.get(key)
    if value is not None and not isinstance(value, list):
        remarks.lost(about, f"its {key}: not a list")
    return value if isinstance(value, list) else []


def _inputs(preset: Mapping[str, Any], about: str, remarks: Remarks) -> tuple[str, ...]:
    names = []
    for item in _list(preset, "inputs", about, remarks):
        name = name_of(item)
        if name is None:
            remarks.lost(about, f"its input {item!r}: no name of a stream")
        else:
            names.append(name)
    return tuple(dict.fromkeys(names))


def _output(preset: object, about: str, remarks: Remarks) -> OutputRecord | None:
    preset = preset if isinstance(preset, dict) else {}
    name, channels = name_of(preset.get("stream_name")), whole(preset.get("num_channels"))
    if name is None or channels is None or not 1 <= channels <= MAX_CHANNELS:
        shown = preset.get("stream_name")
        remarks.lost(about, f"its output {shown!r}: without a name, or {preset.get('num_channels')!r} channels")
        return None
    return OutputRecord(
        name, channels, str(preset.get("data_type") or "float32"), str(preset.get("interface_type")),
        whole(preset.get("port_number")),
    )  # fmt: skip


def _params(preset: Mapping[str, Any], about: str, remarks: Remarks) -> dict[str, dict[str, Any]]:
    params: dict[str, dict[str, Any]] = {}
    for item in _list(preset, "param_presets", about, remarks):
        item = item if isinstance(item, dict) else {}
        name, made = name_of(item.get("name")), param(item.get("type"), item.get("value"))
        if name is None or made is None:
            shown = str(item.get("value"))[:60]
            remarks.lost(about, f"its parameter {item.get('name')!r}: {shown!r} is no {item.get('type')}")
        elif name in params:
            remarks.lost(about, f"a second parameter {name!r}")
        else:
            params[name] = made._asdict()
    return params


def _positive(
    preset: Mapping[str, Any], key: str, default: float, most: float, unit: str, about: str, remarks: Remarks
) -> float:
    value = number(preset.get(key))
    if value is not None and 0 < value <= most:
        return value
    remarks.assumed(about, f"{key} {default:g} {unit}, since its preset says {preset.get(key)!r}")
    return default
