"""pyxdf's own player as a source: numbers and text, which it sends with one timestamp a chunk."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyxdf

from tests.conftest import ROOT
from tests.live.launching import launched, only_drops
from tests.runtime.live import balanced, collect, document, finish, kept, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.lsl]

FILE = ROOT / "tests" / "bridges" / "data" / "minimal.xdf"
NUMBERS, TEXT = b"SendDataC", b"SendDataString"


def test_a_recording_is_played_into_a_graph(ray_address: str, tmp_path: Path) -> None:
    # Names of this test alone, of the same length: the file knows how long its headers are.
    own = {old: secrets.token_hex(8)[: len(old)].encode() for old in (NUMBERS, TEXT)}
    recording = FILE.read_bytes()
    for old, new in own.items():
        recording = recording.replace(old, new)
    (tmp_path / "played.xdf").write_bytes(recording)
    original = {s["info"]["name"][0].encode(): s["time_series"] for s in pyxdf.load_xdf(FILE)[0]}

    sources = {"Numbers": own[NUMBERS].decode(), "Text": own[TEXT].decode()}
    streams = {stream: {"from": {"lsl": {"name": name}}} for stream, name in sources.items()}
    nodes = {"last": collect(tmp_path / "a.npz", "Numbers", "Text")}
    player = [sys.executable, "-m", "pyxdf.cli.playback_lsl", str(tmp_path / "played.xdf")]
    with subprocess.Popen(
        [*player, "--loop", "--wait_for_consumer"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            with launched(document(streams, nodes), ray_address) as run:
                # When it begins again it may pass over all streams but the first.
                wait_until(lambda: run.status()["streams"]["Numbers"]["produced"] >= 20)
                run.stop()
                status = finish(run)
        finally:
            process.kill()
    balanced(status)
    only_drops(status)
    assert status["streams"]["Numbers"]["dtype"] == "int16"
    assert status["streams"]["Text"]["dtype"] == "string"
    data = kept(tmp_path / "a.npz")
    once = np.asarray(original[NUMBERS])
    got = data["Numbers"]
    assert np.array_equal(got, np.resize(once, got.shape)), "from its first sample on, again and again"
    words = [word for sample in original[TEXT] for word in sample]
    text = data["Text"][:, 0].tolist()
    assert len(text) >= len(words) - 1
    assert text == [words[i % len(words)] for i in range(len(text))]
    assert np.all(np.diff(data["Numbers.stamps"]) > 0)
