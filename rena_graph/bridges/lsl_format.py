"""Between our words and LSL's: formats, predicates, descriptions of streams."""

from __future__ import annotations

from typing import Any

from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.errors import StreamFormatError
from rena_graph.graph.document import LSL_DTYPES, LslSource

__all__ = ["FORMAT_CODES", "check_dtype", "describe", "found_format", "labels_and_unit", "lsl_unit", "predicate"]

FORMAT_CODES = {"float32": 1, "float64": 2, "string": 3, "int32": 4, "int16": 5, "int8": 6, "int64": 7}
"""Our dtype to liblsl's ``lsl_channel_format_t``."""

_DTYPES = {code: dtype for dtype, code in FORMAT_CODES.items()}

MOST_LABELS = 10_000
"""Channels up to which labels travel: a description of a million would take minutes to make and to read."""


def check_dtype(name: str, dtype: str) -> None:
    """Refuse what LSL cannot carry.

    Raises
    ------
    StreamFormatError
        Naming what it can.
    """
    if dtype not in FORMAT_CODES:
        raise StreamFormatError(f"stream {name!r}: LSL carries no {dtype}; allowed are {', '.join(LSL_DTYPES)}")


def predicate(source: LslSource) -> str:
    """The XPath predicate for all that the document says about the stream."""
    terms = [
        f"{key}={_quoted(value)}"
        for key, value in (("name", source.name), ("type", source.type), ("source_id", source.source_id))
        if value is not None
    ]
    if source.predicate is not None:
        terms.append(f"({source.predicate})")
    return " and ".join(terms)


def _quoted(text: str) -> str:
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    # XPath 1.0 has no escapes: a text with both quotes is put together.
    return "concat(" + ', "\'", '.join(f"'{part}'" for part in text.split("'")) + ")"


def found_format(info: Any) -> DeclaredFormat:
    """Channels, rate and dtype of a ``pylsl.StreamInfo``; labels and units are in the full description only."""
    return DeclaredFormat(info.channel_count(), float(info.nominal_srate()), _DTYPES.get(info.channel_format()))


def labels_and_unit(info: Any) -> tuple[tuple[str, ...] | None, str | None]:
    """Channel labels (None where any is missing) and the unit (None where channels differ) of a full description."""
    count = info.channel_count()
    if count > MOST_LABELS:
        return None, None
    labels: list[str] = []
    units: set[str] = set()
    channel = info.desc().child("channels").child("channel")
    while not channel.empty() and len(labels) < count:
        labels.append(channel.child_value("label"))
        units.add(channel.child_value("unit"))
        channel = channel.next_sibling("channel")
    complete = len(labels) == count and all(labels)
    unit = units.pop() if len(units) == 1 else ""
    return tuple(labels) if complete else None, unit or None


_SPELLED = {"V": "volts", "mV": "millivolts", "µV": "microvolts", "μV": "microvolts", "uV": "microvolts"}
"""As the XDF specification has them, which EEG clients go by: MNE-LSL takes "µV" for volts."""


def lsl_unit(unit: str) -> str:
    """A unit as LSL clients know it: volts are spelled out, all others stay as they are."""
    return _SPELLED.get(unit, unit)


def describe(info: Any) -> str:
    """One outlet, so that a user can tell it from others."""
    source_id = info.source_id()
    return (
        f"LSL stream {info.name()!r} (type {info.type()!r}, {info.channel_count()} channels at "
        f"{info.nominal_srate():g} Hz, host {info.hostname()!r}, source_id {source_id!r})"
    )
