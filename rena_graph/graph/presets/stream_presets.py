"""Reads one stream preset: of a file of its own (``StreamName``), or of the saved state (``stream_name``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rena_graph.graph.document import DTYPES, MAX_CHANNELS, MAX_RATE
from rena_graph.graph.presets.records import Filter, StreamRecord
from rena_graph.graph.presets.remarks import Remarks
from rena_graph.graph.presets.values import name_of, names_of, number, truth, whole

__all__ = ["DEFAULT_RATE", "plain_keys", "stream_record"]

DEFAULT_RATE = 10.0
"""Hz, where a preset has no ``NominalSamplingRate``."""

DEFAULT_DTYPE = "float32"
_READ = {
    "stream_name", "channel_names", "num_channels", "nominal_sampling_rate", "data_type", "port_number", "preset_type",
    "group_info", "data_processor_only_apply_to_visualization",
}  # fmt: skip
_DISPLAY = {"display_duration", "can_edit_channel_names"}
_FILTER_STATE = {"data_processor_type", "data_processor_activated", "data_processor_valid", "channel_num"}


def plain_keys(preset: Mapping[str, Any]) -> dict[str, Any]:
    """The keys as the saved state writes them: ``StreamName`` becomes ``stream_name``."""
    return {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower(): value for key, value in preset.items()}


def stream_record(preset: Mapping[str, Any], interface: str, origin: str, remarks: Remarks) -> StreamRecord | None:
    """The record of a stream preset with plain keys; None, with a remark, where it does not describe a stream."""
    name = name_of(preset.get("stream_name"))
    if name is None:
        remarks.lost(origin, "a stream preset whose name is missing, longer than 200 characters, or does not print")
        return None
    about = f"stream {name}"
    if interface not in ("LSL", "ZMQ"):
        return StreamRecord(name, interface, 1, DEFAULT_RATE, DEFAULT_DTYPE, origin=origin)
    names = names_of(preset.get("channel_names"))
    channels = _channels(preset, about, remarks)
    if channels is None:
        return None
    if preset.get("channel_names") is not None and (names is None or len(names) != channels):
        remarks.lost(about, "its channel names: empty, not text, or not as many as its channels")
        names = None
    _say_unread(preset, about, remarks)
    return StreamRecord(
        name, interface, channels, _rate(preset, about, remarks), str(preset.get("data_type") or DEFAULT_DTYPE),
        tuple(names or ()), whole(preset.get("port_number")), _filters(preset, channels, about, remarks), origin,
    )  # fmt: skip


def _channels(preset: Mapping[str, Any], about: str, remarks: Remarks) -> int | None:
    count, names = preset.get("num_channels"), preset.get("channel_names")
    channels = len(names) if count is None and isinstance(names, list) else whole(count)
    if channels is None or not 1 <= channels <= MAX_CHANNELS:
        remarks.lost(about, f"its preset gives neither ChannelNames nor a NumChannels between 1 and {MAX_CHANNELS:,}")
        return None
    return channels


def _rate(preset: Mapping[str, Any], about: str, remarks: Remarks) -> float:
    written = preset.get("nominal_sampling_rate")
    if written is None:
        remarks.assumed(about, f"{DEFAULT_RATE:g} Hz, as PhysioLabXR does where NominalSamplingRate is missing")
        return DEFAULT_RATE
    rate = number(written)
    if rate is None or not 0 <= rate <= MAX_RATE:
        remarks.assumed(about, f"{DEFAULT_RATE:g} Hz, since its NominalSamplingRate {written!r} is no rate")
        return DEFAULT_RATE
    return rate


def _say_unread(preset: Mapping[str, Any], about: str, remarks: Remarks) -> None:
    display = sorted(_DISPLAY & preset.keys())
    if display or preset.get("group_info"):
        remarks.lost("display settings", "channel groups, plots and display durations: a graph draws nothing")
    device = preset.get("device_info")
    others = sorted(preset.keys() - _READ - _DISPLAY - {"device_info"})
    others += sorted(map(str, device)) if isinstance(device, dict) else []
    if others:
        remarks.lost(about, f"what it says of {', '.join(others)}: a graph has no place for it")
    if preset.get("data_type") not in (None, *DTYPES, "float16"):
        remarks.assumed(about, f"float32, since its DataType {preset['data_type']!r} is not known")


def _filters(preset: Mapping[str, Any], channels: int, about: str, remarks: Remarks) -> tuple[Filter, ...]:
    """The filters of all its channel groups that change what scripts receive."""
    groups = preset.get("group_info")
    if not isinstance(groups, dict):
        return ()
    only_shown = truth(preset.get("data_processor_only_apply_to_visualization"))
    found: list[Filter] = []
    for group in groups.values():
        processors = group.get("data_processors") if isinstance(group, dict) else None
        for processor in processors if isinstance(processors, list) else ():
            kind = str(processor.get("data_processor_type")) if isinstance(processor, dict) else "unreadable"
            indices = _indices(group, channels)
            if only_shown:
                remarks.lost(about, f"its {kind}: it changes only what is drawn, not what scripts receive")
            elif kind == "unreadable" or indices is None:
                remarks.lost(about, f"a filter ({kind}) whose settings or channels cannot be read")
            elif not truth(processor.get("data_processor_activated")):
                remarks.lost(about, f"its {kind}: it is switched off")
            else:
                settings = {key: number(value) for key, value in processor.items() if key not in _FILTER_STATE}
                found.append(Filter(kind, {k: v for k, v in settings.items() if v is not None}, indices))
    return tuple(found)


def _indices(group: Mapping[str, Any], channels: int) -> tuple[int, ...] | None:
    """The channels of a group; wide groups are written as their first and the one behind their last."""
    listed, span = group.get("channel_indices"), group.get("channel_indices_start_end")
    if listed is None and isinstance(span, list) and len(span) == 2:
        first, last = whole(span[0]), whole(span[1])
        if first is None or last is None or not 0 <= first < last <= channels:
            return None
        return tuple(range(first, last))
    indices = [whole(index) for index in listed] if isinstance(listed, list) and listed else [None]
    kept = [index for index in indices if index is not None and 0 <= index < channels]
    return tuple(kept) if len(kept) == len(indices) and len(set(kept)) == len(kept) else None
