"""Turns the filters of a stream preset into nodes of their own, which give what the original's filters give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rena_graph.graph.presets.records import Filter

__all__ = ["FilterPlan", "filter_plan", "lsl_as_read"]

Settings = Mapping[str, float]


class FilterPlan(NamedTuple):
    """How a filter stands in a graph."""

    word: str
    """For names."""
    script: str
    """One of the bundled scripts."""
    params: dict[str, Any]
    """Without ``channels``."""


def filter_plan(found: Filter, all_channels: int) -> FilterPlan | str:
    """The plan of a filter, or why PhysioLabXR did not apply it either, or why it cannot be carried over."""
    maker = _MAKERS.get(found.kind)
    if maker is None:
        return "a kind of filter that is not known here"
    try:
        made = maker(found.settings)
    except KeyError as missing:
        return f"its {missing.args[0]} is missing or no number"
    if isinstance(made, str):
        return f"{made}, so that PhysioLabXR did not apply it either"
    everything = found.channels == tuple(range(all_channels))
    channels = {"type": "list", "value": [] if everything else list(found.channels)}
    return made._replace(params={**made.params, "channels": channels})


def lsl_as_read(dtype: str) -> str:
    """The type in which PhysioLabXR filters what comes over LSL: all floats are float64, all integers int64."""
    return "float64" if dtype.startswith("float") else "int64"


def _float(value: float) -> dict[str, Any]:
    return {"type": "float", "value": float(value)}


def _notch(settings: Settings) -> FilterPlan | str:
    frequency, quality, rate = settings["w0"], settings["Q"], settings["fs"]
    if quality <= 0 or not 0 < frequency < rate / 2:
        return f"its Q of {quality:g} or its w0 of {frequency:g} Hz is not possible at {rate:g} Hz"
    params = {"frequency": _float(frequency), "quality": _float(quality), "rate": _float(rate)}
    return FilterPlan(f"notch-{frequency:g}", "notch.py", params)


def _band(band: str, *names: str) -> Callable[[Settings], FilterPlan | str]:
    def plan(settings: Settings) -> FilterPlan | str:
        edges, rate, order = [float(settings[name]) for name in names], settings["fs"], int(settings["order"])
        if not 1 <= order <= 10 or not all(a < b for a, b in zip([0.0, *edges], [*edges, rate / 2], strict=True)):
            shown = " to ".join(f"{edge:g}" for edge in edges)
            return f"its {shown} Hz or its order of {order} is not possible at {rate:g} Hz"
        params = {
            "band": {"type": "choice", "value": band, "choices": ["lowpass", "highpass", "bandpass"]},
            "edges": {"type": "list", "value": edges},
            "order": {"type": "int", "value": order, "min": 1, "max": 10},
            "rate": _float(rate),
        }
        return FilterPlan("-".join([band, *(f"{edge:g}" for edge in edges)]), "butterworth.py", params)

    return plan


def _root_mean_square(settings: Settings) -> FilterPlan | str:
    window, rate = settings["window"], settings["fs"]
    if round(rate * window * 0.001) <= 0:
        return f"its window of {window:g} ms holds no sample at {rate:g} Hz"
    params = {"window": _float(window), "rate": _float(rate)}
    return FilterPlan(f"rms-{window:g}", "root_mean_square.py", params)


def _clutter(settings: Settings) -> FilterPlan | str:
    return FilterPlan("clutter", "clutter_removal.py", {"ratio": _float(settings["signal_clutter_ratio"])})


_MAKERS: dict[str, Callable[[Settings], FilterPlan | str]] = {
    "NotchFilter": _notch,
    "ButterworthLowpassFilter": _band("lowpass", "cutoff"),
    "ButterworthHighpassFilter": _band("highpass", "cutoff"),
    "ButterworthBandpassFilter": _band("bandpass", "lowcut", "highcut"),
    "RootMeanSquare": _root_mean_square,
    "ClutterRemoval": _clutter,
}
