"""``rena-graph run-script``: a quick look at one script, on recorded inputs, without a graph and without Ray."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import click

from rena_graph.cli.options import SECONDS, finite
from rena_graph.cli.output import talk, write_json, write_line
from rena_graph.errors import ExitCode, UsageError

__all__ = ["command"]


@click.command("run-script")
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--input", "inputs", metavar="NAME=FILE", multiple=True,
              help="Feed this recording (NPZ or XDF) to the input NAME; may be repeated.")  # fmt: skip
@click.option("--output", "outputs", metavar="NAME=CHANNELS[:DTYPE[:RATE]]", multiple=True,
              help="Declare an output as a graph would: float32, irregular unless said; may be repeated.")  # fmt: skip
@click.option("--param", "params", metavar="NAME=VALUE", multiple=True,
              help="Set a parameter: JSON (true, 3, 0.5, [1, 2]) or else text; may be repeated.")  # fmt: skip
@click.option("--block", metavar="N", type=click.IntRange(min=1),
              help="A loop for every N samples of the first input, instead of one a period.")  # fmt: skip
@click.option("--frequency", metavar="HZ", type=click.FloatRange(min=0, min_open=True), callback=finite,
              help="The run frequency; with --block what that makes of the first input's rate, else 60.")  # fmt: skip
@click.option("--buffer-duration", metavar="SECONDS", type=SECONDS, callback=finite, default=1.0, show_default=True,
              help="How much of each input the script sees.")  # fmt: skip
@click.option("--loops", metavar="N", type=click.IntRange(min=1),
              help="Stop after so many loops; without inputs, how many (one second's by default).")  # fmt: skip
@click.option("--save", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write what came out to this NPZ file; of several outputs, one file each.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The report as JSON; what the script prints goes to stderr.")
def command(
    script: Path,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    params: tuple[str, ...],
    block: int | None,
    frequency: float | None,
    buffer_duration: float,
    loops: int | None,
    save: Path | None,
    as_json: bool,
) -> None:
    """Run the script in the file SCRIPT on recorded inputs, and print what came out.

    The script runs in this process, without Ray and without waiting, on a clock that shows the recording's time:
    twice the same arrays give twice the same result. breakpoint() stops in it.
    """  # fmt: skip
    from rena_graph.cli.trial.recorded import read_input
    from rena_graph.cli.trial.trial import Trial, TrialOptions
    from rena_graph.cli.trial.watch import Printed
    from rena_graph.cli.view.trial import trial_lines, undeclared_lines

    if block is not None and not inputs:
        raise UsageError("--block counts the samples of the first input, and there is no --input")
    files, declared = _pairs("--input", inputs), _pairs("--output", outputs)
    both = sorted(files.keys() & declared.keys())
    if both:
        raise UsageError(f"an input and an output are both called {both[0]!r}; a script's streams have different names")
    recorded = [read_input(name, Path(file)) for name, file in files.items()]
    options = TrialOptions(
        outputs={name: _output(name, text) for name, text in declared.items()},
        params={name: _value(text) for name, text in _pairs("--param", params).items()},
        block=block, frequency=frequency, buffer_duration=buffer_duration, loops=loops,
    )  # fmt: skip
    printed = Printed(sys.stderr if as_json else sys.stdout)
    with printed.capturing():
        trial = Trial(script, recorded, options, talk)
        trial.run()
    report = {**trial.report(), "printed": printed.lines, "printed_count": printed.count, "saved": []}
    if save is not None:
        from rena_graph.cli.trial.save import save_outputs

        report["saved"] = [str(path) for path in save_outputs(trial.harness.outputs, options.outputs, save)]
    if as_json:
        write_json(report)
    else:
        for line in trial_lines(report):
            write_line(line)
    for line in undeclared_lines(report["undeclared"]):
        talk(line)
    raise SystemExit(ExitCode.SCRIPT if report["errors"] else ExitCode.OK)


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    """``NAME=REST`` by name; the first ``=`` counts."""
    pairs: dict[str, str] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if not equals or not name or not rest:
            raise UsageError(f"{option} is written as NAME=…, not {text!r}")
        if name in pairs:
            raise UsageError(f"{option} has {name!r} twice")
        pairs[name] = rest
    return pairs


def _output(name: str, text: str) -> dict[str, Any]:
    """``CHANNELS[:DTYPE[:RATE]]`` as a graph would have it; the graph's own checks look at the values."""
    from difflib import get_close_matches

    from rena_graph.graph.document import DTYPES

    match = re.fullmatch(r"(?P<channels>\d+)(:(?P<dtype>\w*)(:(?P<rate>[0-9.eE+-]+))?)?", text)
    rate = match["rate"] if match is not None else None
    try:
        hertz = 0.0 if rate is None else float(rate)
    except ValueError:
        match = None
    if match is None:
        raise UsageError(f"--output {name}={text}: expected CHANNELS[:DTYPE[:RATE]], such as 8 or 8:float32:250")
    dtype = match["dtype"] or "float32"
    if dtype not in DTYPES:
        near = get_close_matches(dtype, DTYPES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(DTYPES)}"
        raise UsageError(f"--output {name}={text}: no dtype {dtype!r}; {hint}")
    return {"channels": int(match["channels"]), "dtype": dtype, "rate": hertz}


def _value(text: str) -> Any:
    """A parameter's value: JSON of a type that parameters have, or the text itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, bool | int | float | str | list) else text
