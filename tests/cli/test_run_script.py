"""``run-script``: one script, recorded inputs, and what came out."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rena_graph.cli import main
from rena_graph.cli.trial.recorded import RecordedInput, pieces_by_count, pieces_by_time
from rena_graph.cli.trial.watch import Printed
from rena_graph.errors import ExitCode
from rena_graph.streams.spec import StreamSpec
from tests.cli.running import COMMAND
from tests.limits import LIMIT

SCRIPT = """
from rena_graph import RenaScript

class Scale(RenaScript):
    def init(self):
        self.loops = 0
        print("gain", self.params["gain"], type(self.params["gain"]).__name__)

    def loop(self):
        self.loops += 1
        for name in list(self.inputs.keys()):
            data, stamps = self.inputs.new(name)
            if len(stamps) and name + "-out" in self.output_names:
                self.set_output(name + "-out", data * self.params["gain"], stamps)
        self.more()

    def more(self):
        {more}

    def cleanup(self):
        print("loops", self.loops)
"""


def script(folder: Path, more: str = "pass", name: str = "scale.py") -> Path:
    (folder / name).write_text(SCRIPT.replace("{more}", more))
    return folder / name


def recording(folder: Path, samples: int = 1000, rate: float = 250.0, channels: int = 2, name: str = "in.npz") -> Path:
    data = np.arange(samples * channels, dtype=np.float64).reshape(samples, channels)
    np.savez(folder / name, data=data, rate=rate)
    return folder / name


def tried(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> dict[str, Any]:
    """Run it with ``--json``; the report."""
    assert main(["run-script", *map(str, arguments), "--json"]) == code, capsys.readouterr().err
    out, err = capsys.readouterr()
    report: dict[str, Any] = json.loads(out)
    assert all(line in err for line in report["printed"])
    return report


# -- what goes in and what comes out -----------------------------------------------------------------
def test_every_sample_goes_through_and_can_be_fed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "out.npz"
    options = ("--output", "x-out=2:float64:250", "--param", "gain=2", "--save", saved)
    report = tried(capsys, script(tmp_path), "--input", f"x={recording(tmp_path)}", *options)
    assert report["class"] == "Scale"
    assert (report["loops"], report["loops_well"]) == (240, 240)
    assert 0 < report["loop_mean"] <= report["loop_max"]
    assert report["printed"] == ["gain 2 int", "loops 240"]
    assert report["inputs"]["x"] == {
        "samples": 1000, "channels": 2, "dtype": "float64", "rate": 250.0, "first": 0.0, "last": 3.996,
        "dropped": 0, "raised": 0,
    }  # fmt: skip
    assert report["outputs"]["x-out"]["samples"] == 1000
    with np.load(saved) as file:
        assert np.array_equal(file["data"], 2 * np.arange(2000.0).reshape(1000, 2))
        assert np.allclose(file["timestamps"], np.arange(1000) / 250)
        assert float(file["rate"]) == 250
    again = tried(capsys, script(tmp_path), "--input", f"x={saved}", "--param", "gain=1")
    assert again["inputs"]["x"]["samples"] == 1000


def test_the_same_arrays_give_the_same_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = 'self.set_output("t", self.local_clock())'
    arguments = (script(tmp_path, random), "--input", f"x={recording(tmp_path)}", "--param", "gain=1")
    results = []
    for name in ("a.npz", "b.npz"):
        tried(capsys, *arguments, "--output", "t=1:float64", "--save", tmp_path / name)
        with np.load(tmp_path / name) as file:
            results.append((file["data"], file["timestamps"]))
    assert np.array_equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1])


def test_several_outputs_are_saved_each_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = 'self.set_output("a/b", "word"); self.outputs["n"] = 1'
    options = ("--output", "a/b=1:string", "--output", "n=1:int8", "--loops", "3", "--save", tmp_path / "o.npz")
    report = tried(capsys, script(tmp_path, words), "--param", "gain=1", *options)
    assert report["saved"] == [str(tmp_path / "o.a_b-0.npz"), str(tmp_path / "o.n.npz")]
    with np.load(report["saved"][0], allow_pickle=False) as file:
        assert file["data"].tolist() == [["word"]] * 3
    with np.load(report["saved"][1]) as file:
        assert file["data"].dtype == np.int8


def test_a_script_without_inputs_runs_as_many_loops_as_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (script(tmp_path), "--param", "gain=1")
    assert tried(capsys, *arguments, "--loops", "7")["loops"] == 7
    assert tried(capsys, *arguments, "--frequency", "25")["loops"] == 25


@pytest.mark.parametrize(
    ("text", "kind"), [("true", "bool"), ("3", "int"), ("0.5", "float"), ("[1, [2]]", "list"), ("null", "str")]
)
def test_parameters_are_json_or_text(text: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tried(capsys, script(tmp_path), "--param", f"gain={text}", "--loops", "1")
    assert report["printed"][0].endswith(f" {kind}")


def test_block_runs_a_loop_for_so_many_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = 'print(len(self.inputs["x"][1]), len(self.inputs["y"][1]) if "y" in self.inputs else 0)'
    other = recording(tmp_path, 500, 125.0, name="y.npz")
    files = ("--input", f"x={recording(tmp_path)}", "--input", f"y={other}")
    report = tried(capsys, script(tmp_path, sizes), *files, "--param", "gain=1", "--block", 300)
    assert report["loops"] == 4
    assert report["run_frequency"] == pytest.approx(250 / 300)
    assert report["inputs"]["x"]["dropped"] == 150, "three times 300 samples into a window of 250, which is told"
    # Of the other stream each loop sees what is stamped no later than the block's last sample.
    assert report["printed"][1:5] == ["250 125"] * 4


# -- what goes wrong ---------------------------------------------------------------------------------
def test_an_exception_shows_the_users_frames_the_shapes_and_how_many_loops_went_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fails = 'if self.loops in (5, 6, 8): raise ValueError("oh")'
    code = main(
        ["run-script", str(script(tmp_path, fails)), "--input", f"x={recording(tmp_path)}", "--param", "gain=1"]
    )
    assert code == ExitCode.SCRIPT
    out, err = capsys.readouterr()
    assert "loop 5 failed after 4 that went well (inputs: x (21, 2))" in err
    assert err.count("Traceback") == 1
    assert "scale.py" in err
    assert "harness.py" not in err
    assert "watch.py" not in err
    assert "ValueError: oh: 3 times, first in loop 5" in out
    assert "loops 240" in out, "the loops went on, and cleanup() came"


@pytest.mark.parametrize("where", ["init", "cleanup"])
def test_a_failing_init_or_cleanup_is_a_failed_script(
    where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = script(tmp_path)
    path.write_text(path.read_text().replace(f"def {where}(self):", f"def {where}(self):\n        raise OSError('no')"))
    assert main(["run-script", str(path), "--param", "gain=1", "--loops", "1"]) == ExitCode.SCRIPT
    err = capsys.readouterr().err
    assert f"{where}() failed" in err
    assert "OSError: no" in err
    assert "harness.py" not in err


@pytest.mark.parametrize(
    ("value", "option"),
    [
        ("[1.0, 2.0, 3.0]", "psd=3"),
        ("__import__('numpy').zeros((10, 4))", "psd=4"),
        ("1.5", "psd=1"),
        ("[[1], [2, 3]]", "psd=CHANNELS"),
    ],
)
def test_an_undeclared_output_is_named_with_the_option_that_declares_it(
    value: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for assignment in (f'self.outputs["psd"] = {value}', f'self.set_output("psd", {value}, 1.0)'):
        path = script(tmp_path, assignment)
        assert main(["run-script", str(path), "--param", "gain=1", "--loops", "2"]) == ExitCode.OK
        err = capsys.readouterr().err
        assert f"add: --output {option}" in err
        assert "psd" in err.splitlines()[0]


def test_a_value_that_an_output_cannot_carry_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script(tmp_path, 'self.outputs["psd"] = [1, 2, 3]')
    arguments = (path, "--param", "gain=1", "--loops", "2", "--output", "psd=2")
    report = tried(capsys, *arguments, code=ExitCode.SCRIPT)
    assert report["errors"][0]["count"] == 2
    assert "(3,)" in report["errors"][0]["text"]


def test_a_script_that_ends_itself_ends_the_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaves = "if self.loops == 3: raise SystemExit({})"
    for code, ends_with in ((0, ExitCode.OK), (3, ExitCode.SCRIPT)):
        path = script(tmp_path, leaves.format(code))
        report = tried(capsys, path, "--param", "gain=1", code=ends_with)
        assert report["loops"] == 3
        assert report["printed"][-1] == "loops 3"


def test_timestamps_that_run_backwards_are_raised_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "in.npz", data=np.zeros((5, 1)), timestamps=[5.0, 6.0, 4.0, np.nan, 7.0])
    report = tried(capsys, script(tmp_path), "--input", f"x={tmp_path / 'in.npz'}", "--param", "gain=1")
    assert report["inputs"]["x"]["raised"] == 2
    assert (report["inputs"]["x"]["first"], report["inputs"]["x"]["last"]) == (5.0, 7.0)
    assert report["loops"] == 3, "a loop for each period in which something arrived"


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--input", "x"], ExitCode.USAGE, "--input is written as NAME=…"),
        (["--input", "=x.npz"], ExitCode.USAGE, "--input is written as NAME=…"),
        (["--input", "x=none.npz"], ExitCode.ENVIRONMENT, "no such file"),
        (["--input", "x=scale.py"], ExitCode.ENVIRONMENT, ".npz, .xdf"),
        (["--param", "a=1", "--param", "a=2"], ExitCode.USAGE, "'a' twice"),
        (["--output", "x=two"], ExitCode.USAGE, "CHANNELS[:DTYPE[:RATE]]"),
        (["--output", "x=2:float32:e"], ExitCode.USAGE, "CHANNELS[:DTYPE[:RATE]]"),
        (["--output", "x=2:flaot32"], ExitCode.USAGE, "did you mean 'float32'?"),
        (["--output", "x=0"], ExitCode.GRAPH, "channels"),
        (["--input", "x=scale.npz", "--output", "x=1"], ExitCode.USAGE, "both called 'x'"),
        (["--block", "5"], ExitCode.USAGE, "there is no --input"),
        (["--block", "0"], ExitCode.USAGE, "0 is not in the range"),
        (["--frequency", "nan"], ExitCode.USAGE, "nan"),
        (["--save", "out.npz", "--loops", "1", "--param", "gain=1"], ExitCode.USAGE, "has no outputs"),
        (["--save", "out.txt", "--loops", "1", "--param", "gain=1"], ExitCode.USAGE, "end in .npz"),
        (
            ["--save", "no/o.npz", "--loops", "1", "--param", "gain=1", "--output", "x=1"],
            ExitCode.ENVIRONMENT,
            "cannot",
        ),
    ],
)
def test_what_is_refused(
    arguments: list[str],
    code: ExitCode,
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["run-script", "scale.py", *arguments]) == code
    err = capsys.readouterr().err
    assert complaint in err
    assert "Traceback" not in err


def test_a_script_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert main(["run-script", str(tmp_path / "empty.py")]) == ExitCode.SCRIPT
    assert "defines no subclass of RenaScript" in capsys.readouterr().err
    assert main(["run-script", str(tmp_path / "none.py")]) == ExitCode.USAGE


# -- its parts ---------------------------------------------------------------------------------------
def stream(stamps: list[float]) -> RecordedInput:
    spec = StreamSpec("x", 1, "float64")
    return RecordedInput(spec, np.zeros((len(stamps), 1)), np.array(stamps, dtype=np.float64), 0)


def test_pieces_hold_every_sample_once() -> None:
    a, b = stream([0.0, 0.1, 0.2, 0.9, 5.0]), stream([0.05, 0.15, 7.0])
    for pieces in (list(pieces_by_time([a, b], 10.0)), list(pieces_by_count([a, b], 2))):
        for k, one in enumerate((a, b)):
            taken = [i for _, parts in pieces for i in range(len(one.timestamps))[parts[k]]]
            assert taken == list(range(len(one.timestamps)))
    assert [number for number, _ in pieces_by_time([a, b], 10.0)] == [0, 1, 2, 9, 50, 70]
    assert [len(range(5)[parts[0]]) for _, parts in pieces_by_count([a, b], 2)] == [2, 2, 1]
    assert list(pieces_by_count([stream([])], 2)) == []
    assert list(pieces_by_time([stream([])], 2.0)) == []


def test_what_is_logged_is_kept_like_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    import logging
    import sys

    printed = Printed(sys.stdout)
    with printed.capturing():
        sys.stdout.write("a\nb")
        sys.stdout.write("c\n")
        logging.getLogger("mine").info("said")
        logging.getLogger("rena_graph.x").warning("not said here")
    logging.getLogger("mine").warning("nor this")
    assert printed.lines == ["a", "bc", "INFO said"]
    assert printed.count == 3
    assert capsys.readouterr().out == "a\nbc\nINFO said\n"


def test_breakpoint_stops_in_the_script(tmp_path: Path) -> None:
    path = script(tmp_path, "breakpoint() if self.loops == 2 else None")
    master, slave = pty.openpty()
    arguments = [*COMMAND, "run-script", str(path), "--param", "gain=1", "--loops", "3"]
    with subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as process:
        os.close(slave)
        text = read_until(master, "(Pdb)")
        os.write(master, b"p 'loop', self.loops\n")
        text += read_until(master, "('loop', 2)")
        os.write(master, b"c\n")
        text += read_until(master, "loops at")
        assert process.wait(LIMIT) == 0, text
    os.close(master)


def read_until(master: int, what: str, limit: float = LIMIT) -> str:
    """All that the terminal shows until `what`."""
    text = ""
    while what not in text:
        ready, _, _ = select.select([master], [], [], limit)
        assert ready, f"no {what!r} within {limit} s in {text!r}"
        text += os.read(master, 4096).decode("utf-8", "replace")
    return text
