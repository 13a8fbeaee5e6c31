"""Streams over a link of 1 Gbit/s between two hosts: what a run's links carry, without a run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.rig import BIN, Network, why_not

pytestmark = pytest.mark.hosts

ROOT = Path(__file__).parents[2]


def carried(folder: Path, channels: int, dtype: str, rate: float, chunk: int, seconds: float) -> dict[str, Any]:
    """What both ends say, in one."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    meet = folder / "meet"
    meet.mkdir()
    with Network(folder) as network:
        near, far = network.add("near"), network.add("far")
        said: dict[str, Any] = {}
        processes: list[subprocess.Popen[str]] = []
        for role, host in (("receive", far), ("send", near)):
            host.shape("1gbit")
            words = (role, str(meet), str(channels), dtype, str(rate), str(chunk), str(seconds), "1", host.address)
            python = str(BIN / "python")
            processes.append(host.start(python, "-m", "tests.hosts.carry", *words, env={"PYTHONPATH": str(ROOT)}))
        for process in processes:
            out, err = process.communicate(timeout=120)
            assert process.returncode == 0, out + err
            said |= json.loads(out.splitlines()[-1])
    return said


def test_256_channels_at_5_kHz_cross_without_loss(tmp_path: Path) -> None:
    said = carried(tmp_path, 256, "float32", 5000, 50, 5)
    assert said["drained"]
    assert said["delivered"] == said["made"] == 25_000
    assert said["lost"] == 0


def test_video_that_fits_into_the_link_crosses_without_loss(tmp_path: Path) -> None:
    for attempt in range(
        3
    ):  # its rings hold a second of it: a machine that is busy elsewhere may stand still for longer
        (folder := tmp_path / str(attempt)).mkdir()
        said = carried(folder, 1920 * 1080 * 3, "uint8", 10, 1, 3)
        assert said["drained"]
        assert said["delivered"] + said["lost"] + said["overrun"] == said["made"] == 30
        if said["delivered"] == 30:
            return
    raise AssertionError(said)


def test_of_video_that_does_not_fit_every_frame_is_delivered_or_counted_as_lost(tmp_path: Path) -> None:
    said = carried(tmp_path, 1920 * 1080 * 3, "uint8", 40, 1, 3)
    assert said["drained"]
    assert said["lost"] > 0, "40 frames a second are 2 Gbit"
    assert said["delivered"] + said["lost"] + said["overrun"] == said["made"] == 120
