"""Answers questions about PhysioLabXR 1.1.3 with that package itself, in its own environment; knows nothing of ours."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import MagicMock

import numpy as np

from tests.original.coding import pack, unpack

Answer = Any
Array = np.ndarray[Any, Any]

for absent in ("cv2", "serial", "pylsl", "brainflow"):
    sys.modules[absent] = MagicMock(name=absent)  # imported by the modules below, and not used by what is asked for

from physiolabxr.utils import buffers, data_utils  # noqa: E402
from physiolabxr.utils.dsp_utils import dsp_modules  # noqa: E402


def _called(function: Callable[..., Any], *arguments: Any) -> tuple[Any, str | None, int]:
    """What a function returned, the name of what it raised, and how often it warned."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            return function(*arguments), None, len(warned)
        except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
            return None, type(error).__name__, len(warned)


def buffer(kind: str, made_with: Sequence[Any], operations: Sequence[Sequence[Any]]) -> Answer:
    """Make a buffer, and do with it what it is told; its state after each operation."""
    made = getattr(buffers, kind)(*made_with)
    steps = []
    for name, *arguments in operations:
        given, error, warned = _called(getattr(made, name), *arguments)
        state = {key: list(pair) for key, pair in made.buffer.items()} if kind == "DataBuffer" else list(made.buffer)
        given = list(given) if isinstance(given, list) else given if isinstance(given, np.ndarray) else None
        steps.append({"given": given, "error": error, "warned": warned, "state": state})
    return steps


def output(value: Any, channels: int, dtype: str) -> Answer:
    """What is sent for a value assigned to an output: samples, or the error's name."""

    def sent() -> tuple[Array, Any]:
        data, timestamp, chunk, _ = data_utils.validate_output(value, channels)
        data = data.astype(dtype)
        return (data if chunk else data[None, :]), timestamp

    samples, error, _ = _called(sent)
    return {"samples": None if samples is None else samples[0], "error": error}


def filtered(frames: Array, pieces: Sequence[int], groups: Sequence[Any]) -> Answer:
    """Frames ``(channels, n)`` filtered piece by piece, as a stream's widget does; the filters as they are saved."""
    made = []
    for channels, kinds in groups:
        filters = []
        for kind, settings in kinds:
            one = getattr(dsp_modules, kind)()
            one.set_data_processor_params(**settings)
            one.set_channel_num(len(channels))
            one.evoke_data_processor()
            one.activate_data_processor()
            filters.append(one)
        made.append((channels, filters))
    saved = [[one.serialize_data_processor_params() for one in filters] for _, filters in made]
    for one in (one for group in saved for one in group):
        one["data_processor_type"] = one["data_processor_type"].name
    done = []
    for piece in np.split(frames, pieces, axis=1):
        piece = piece.copy()
        for channels, filters in made:
            piece[channels] = dsp_modules.run_data_processors(piece[channels], filters)
        done.append(piece)
    return {"frames": np.concatenate(done, axis=1), "saved": saved}


def helper(module: str, name: str, arguments: Sequence[Any]) -> Answer:
    """What one of its helper functions returns, or the name of what it raises."""
    given, error, _ = _called(getattr({"buffers": buffers, "data_utils": data_utils}[module], name), *arguments)
    return {"given": given, "error": error}


def main() -> None:
    """Answer line by line; what the package prints goes nowhere."""
    answers = sys.stdout
    functions: dict[str, Callable[..., Answer]] = {
        "buffer": buffer,
        "output": output,
        "filtered": filtered,
        "helper": helper,
    }
    for line in sys.stdin:
        question = json.loads(line)
        with contextlib.redirect_stdout(io.StringIO()):
            answer = functions[question["what"]](**unpack(question["about"]))
        answers.write(json.dumps(pack(answer)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
