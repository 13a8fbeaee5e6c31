"""Checks of the formats along every edge: what a stream is, against what its input expects of it."""

from __future__ import annotations

import math
from collections import Counter

from rena_graph.graph.document import InputDef, NodeDef
from rena_graph.graph.fields import DTYPE_BYTES
from rena_graph.graph.findings import Findings
from rena_graph.graph.model import Graph, Stream
from rena_graph.graph.problems import JsonPath, json_path
from rena_graph.graph.shape import Draft
from rena_graph.graph.wording import did_you_mean, hertz, join, plural, quote

__all__ = ["RATE_TOLERANCE", "check", "window_samples"]

RATE_TOLERANCE = 1e-3
"""Relative; devices announce 499.98 Hz where their manual says 500."""
MAX_WINDOW_BYTES = 2_000_000_000
_MICRO = str.maketrans({"µ": "u", "μ": "u"})
_UNITS = {"microvolt": "uv", "microvolts": "uv", "millivolt": "mv", "millivolts": "mv", "volt": "v", "volts": "v"}


def check(graph: Graph, draft: Draft, findings: Findings) -> None:
    """G301, G303 to G305 and G310 to G312."""
    for name, node in graph.nodes.items():
        streams = [graph.streams.get(edge_name) for edge_name in graph.edge_names(name)]
        for index, (input_, stream) in enumerate(zip(node.input_defs, streams, strict=True)):
            if stream is None:
                continue  # nobody makes it, or what makes it could not be read
            path = draft.input_path(name, index)
            _expectations(name, input_, stream, path, findings)
            _pick(name, input_, stream, path, findings)
            _access(name, input_, stream, path, findings)
            if draft.sound(name, "buffer_duration"):
                _window(name, node, input_, stream, path, findings)


def window_samples(stream: Stream, node: NodeDef, input_: InputDef) -> int | None:
    """Samples of the stream that the node keeps; None where its rate is not known yet."""
    if stream.rate is None:
        return None
    if stream.rate == 0:
        return input_.max_samples
    return max(1, math.ceil(round(stream.rate * node.buffer_duration, 9)))


def same_rate(first: float, second: float) -> bool:
    """Whether two rates in Hz are the same, but for what devices and their manuals differ by."""
    return math.isclose(first, second, rel_tol=RATE_TOLERANCE)


def same_unit(first: str, second: str) -> bool:
    """Whether two units are the same: µV, uV and microvolts are."""
    return first == second or _plain_unit(first) == _plain_unit(second)


def _plain_unit(unit: str) -> str:
    plain = unit.strip().translate(_MICRO)
    spelled = _UNITS.get(plain.casefold())
    # The case matters (mV, MV) but for the volt's own letter.
    return spelled or (plain[:-1] + "v" if plain.endswith("V") else plain)


def _expectations(name: str, input_: InputDef, stream: Stream, path: JsonPath, findings: Findings) -> None:
    """One problem for an edge, with all that differs."""
    differing: list[str] = []
    if input_.channels is not None and stream.channels is not None and input_.channels != stream.channels:
        differing.append("channels")
    if input_.rate is not None and stream.rate is not None and not same_rate(input_.rate, stream.rate):
        differing.append("rate")
    if input_.dtype is not None and stream.dtype is not None and input_.dtype != stream.dtype:
        differing.append("dtype")
    if input_.unit is not None and stream.unit is not None and not same_unit(input_.unit, stream.unit):
        differing.append("unit")
    if not differing:
        return
    expected, got = _phrase(input_, differing), _phrase(stream, differing)
    maker = f"{stream.producer} ({quote(stream.name)})" if stream.producer else quote(stream.name)
    if differing[0] == "channels":
        got = got.replace(" channels", "", 1).replace(" channel", "", 1)
        message = f"{name} expects {expected}, gets {got} from {maker}"
    else:
        message = f"{name} expects {quote(stream.name)} {expected}, gets it {got}"
        message += f" from {stream.producer}" if stream.producer else ""
    hint = f"the stream is declared at {json_path(_declared(stream))}"
    if differing == ["channels"] and input_.pick is not None and len(input_.pick) == input_.channels:
        hint = "channels counts those of the stream, before pick"
    findings.add("G301", (*path, differing[0]), message, found=_phrase(stream, differing), allowed=expected, hint=hint)


def _phrase(of: InputDef | Stream, keys: list[str]) -> str:
    words = {
        "channels": plural(of.channels or 0, "channel"),
        "rate": f"at {hertz(of.rate or 0)}",
        "dtype": f"as {of.dtype}",
        "unit": f"in {of.unit}",
    }
    return " ".join(words[key] for key in keys)


def _declared(stream: Stream) -> JsonPath:
    if stream.producer is not None:
        return ("nodes", stream.producer, "outputs", stream.name)
    return ("streams", stream.name.partition("@")[0])


def _pick(name: str, input_: InputDef, stream: Stream, path: JsonPath, findings: Findings) -> None:
    if input_.pick is None:
        return
    picks = (*path, "pick")
    names = stream.channel_names
    twice = next((label for label, count in Counter(input_.pick).items() if count > 1), None)
    if twice is not None:
        findings.add("G303", picks, f"{name} picks {quote(twice)} twice", found=quote(twice), hint="pick it once")
    if not names:
        outside = stream.source is not None and stream.source.source.kind in ("lsl", "recording")
        if not outside:  # which may tell its channel names when it is found
            hint = f"give it channel_names at {json_path(_declared(stream))}"
            message = f"{name} picks channels by name of {quote(stream.name)}, which has no channel names"
            findings.add("G305", picks, message, found=join(input_.pick, "and", quoted=True), hint=hint)
        return
    known = Counter(names)
    for index, label in enumerate(input_.pick):
        if label not in known:
            findings.add(
                "G304", (*picks, index), f"{name} picks {quote(label)}, which {quote(stream.name)} does not have",
                found=quote(label), allowed=join(names, quoted=True),
                hint=did_you_mean(findings.nearest(label, names[:1000])),
            )  # fmt: skip
        elif known[label] > 1:
            message = f"{name} picks {quote(label)}, and {known[label]} channels of {quote(stream.name)} are called so"
            findings.add("G303", (*picks, index), message, found=quote(label), hint="give the channels different names")


def _access(name: str, input_: InputDef, stream: Stream, path: JsonPath, findings: Findings) -> None:
    text = stream.dtype == "string"
    if input_.access == "view" and text:
        message = f"{name} takes {quote(stream.name)} as a view, but text does not lie in shared memory"
        findings.add("G310", (*path, "access"), message, found="view of a string stream", allowed="copy")
    if input_.gaps == "nan":
        kind = stream.dtype is not None and not stream.dtype.startswith("float")
        if kind or stream.rate == 0:
            what = f"{stream.dtype} samples" if kind else "a stream of irregular rate"
            message = f"{name} has gaps in {quote(stream.name)} filled with NaN, which {what} cannot have"
            findings.add("G311", (*path, "gaps"), message, found=what, allowed="float32 or float64 with a rate")


def _window(name: str, node: NodeDef, input_: InputDef, stream: Stream, path: JsonPath, findings: Findings) -> None:
    samples = window_samples(stream, node, input_)
    if samples is None or stream.channels is None or stream.dtype is None:
        return
    channels = stream.channels if input_.pick is None else len(input_.pick)
    size = samples * channels * DTYPE_BYTES[stream.dtype]
    if size <= MAX_WINDOW_BYTES:
        return
    key = "max_samples" if stream.rate == 0 else "buffer_duration"
    rate = "" if stream.rate == 0 else f" ({node.buffer_duration:g} s at {hertz(stream.rate or 0)})"
    findings.add(
        "G312", path if stream.rate == 0 else ("nodes", name, "buffer_duration"),
        f"the window of {quote(stream.name)} in {name} takes {size / 1e9:,.1f} GB",
        found=f"{plural(samples, 'sample')}{rate} of {plural(channels, 'channel')} as {stream.dtype}",
        allowed=f"{MAX_WINDOW_BYTES / 1e9:g} GB", hint=f"give a smaller {key}, or pick channels",
    )  # fmt: skip
