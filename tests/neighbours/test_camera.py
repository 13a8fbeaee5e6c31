"""A camera as Unity programs send it over ZMQ: a topic and a frame's bytes, with no time of its own."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from tests.live.launching import launched, only_drops
from tests.live.processes import ZmqPublisher
from tests.runtime.live import balanced, collect, document, finish, kept, wait_until

pytestmark = pytest.mark.ray

WIDTH, HEIGHT = 64, 48
FRAMES = 20


def test_frames_of_two_parts_are_stamped_when_they_arrive(ray_address: str, tmp_path: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    with ZmqPublisher() as camera:
        source = {"zmq": {"host": "127.0.0.1", "port": camera.port}}
        stream = {"from": source, "channels": WIDTH * HEIGHT * 3, "rate": 0, "dtype": "uint8"}
        nodes = {"last": collect(tmp_path / "a.npz", "Camera")}
        with launched(document({"Camera": stream}, nodes), ray_address) as run:
            camera.subscribed()
            before = time.monotonic()
            for frame in frames:
                camera.send((b"Camera", frame.tobytes()))
            camera.send((b"Camera", frames[0].tobytes()[:-3]))  # a frame of another size
            wait_until(lambda: run.status()["streams"]["Camera"]["rejected"] == 1)
            after = time.monotonic()
            run.stop()
            status = finish(run)
    balanced(status)
    only_drops(status)
    data = kept(tmp_path / "a.npz")
    assert np.array_equal(data["Camera"].reshape(frames.shape), frames), "row by row, as the original flattens them"
    stamps = data["Camera.stamps"]
    assert before <= stamps[0]
    assert stamps[-1] <= after
    assert np.all(np.diff(stamps) > 0)
