"""``streams``: finds what other processes offer."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from rena_graph.cli.streams import stream_lines
from rena_graph.errors import ExitCode
from tests.cli.running import run_cli
from tests.limits import LIMIT
from tests.runtime.live import wait_until

OUTLET = """
import sys
from rena_graph.bridges.lsl_library import load_pylsl
pylsl = load_pylsl()
name = sys.argv[1]
outlets = [
    pylsl.StreamOutlet(pylsl.StreamInfo(name + "-eeg", "EEG", 8, 250, "float32", name)),
    pylsl.StreamOutlet(pylsl.StreamInfo(name + "-marks", "Markers", 1, 0, "string", "")),
]
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def outlets() -> Iterator[str]:
    """Two streams of another process; gives how their names begin."""
    name = f"rena-test-{uuid.uuid4().hex[:8]}"
    with subprocess.Popen(
        [sys.executable, "-c", OUTLET, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield name
        process.stdin.close()
        process.wait(LIMIT)


@pytest.mark.lsl
def test_streams_of_another_process_are_listed(outlets: str) -> None:
    found = wait_until(lambda: both(outlets), what="both streams to be found")
    eeg = found[f"{outlets}-eeg"]
    assert (eeg["type"], eeg["channels"], eeg["rate"], eeg["format"]) == ("EEG", 8, 250.0, "float32")
    assert eeg["source_id"] == outlets
    assert eeg["host"]
    assert eeg["uid"]
    marks = found[f"{outlets}-marks"]
    assert (marks["rate"], marks["format"], marks["source_id"]) == (0.0, "string", "")


def both(outlets: str) -> dict[str, dict[str, Any]] | None:
    """What is found of them, once it is both: a busy machine may answer too late for one look."""
    done = run_cli("streams", "--json", "--wait", "2")
    assert done.returncode == 0
    assert done.stderr == ""
    found = {stream["name"]: stream for stream in json.loads(done.stdout) if stream["name"].startswith(outlets)}
    return found if len(found) == 2 else None


def test_the_table() -> None:
    facts = {"name": "EEG", "type": "", "channels": 8, "rate": 250.0, "format": "float32", "host": "h", "uid": "u"}
    header, first, second = stream_lines(
        [{**facts, "source_id": "x"}, {**facts, "name": "evil\x1b[2J", "rate": 0.0, "source_id": ""}]
    )
    assert header.split() == ["name", "type", "channels", "rate", "Hz", "format", "host", "source_id"]
    assert first.split() == ["EEG", "–", "8", "250.0", "float32", "h", "x"]
    assert second.startswith("evil\\x1b[2J  –     8         irregular  float32  h     – (clients cannot recover it)")


def test_an_empty_network_has_no_table() -> None:
    assert stream_lines([]) == []


@pytest.mark.parametrize("wait", ["0", "-1", "nan", "soon"])
def test_a_wrong_wait(wait: str) -> None:
    done = run_cli("streams", "--wait", wait)
    assert done.returncode == ExitCode.USAGE
    assert "--wait" in done.stderr
