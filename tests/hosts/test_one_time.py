"""One time on hosts whose clocks are hours apart: how well it is known, and what LSL streams there are stamped with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.one_time import BACK, DEVICE
from tests.hosts.rig import BIN, Host, Network, why_not

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(180)]

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]
RATE, SECONDS = 100, 5
HOURS = 3600.0
WELL = 1e-3
"""Seconds that a stamp may be off, on an idle link."""


def told(process: Any) -> Any:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    return json.loads(out.splitlines()[-1]) if out else None


@pytest.mark.parametrize(("keeper", "asker"), [(0.0, 3 * HOURS), (7 * HOURS, 2 * HOURS)])
def test_stamps_are_graph_time_and_leave_as_those_of_their_own_host(
    tmp_path: Path, keeper: float, asker: float
) -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    meet = tmp_path / "meet"
    meet.mkdir()
    truth = keeper - asker
    with Network(tmp_path) as network:
        a, b = network.add("a", keeper), network.add("b", asker)

        def run(host: Host, *words: str) -> Any:
            return host.start(str(BIN / "python"), *words, env={"PYTHONPATH": str(ROOT)})

        keep = run(a, "-m", "tests.hosts.one_time", "keep", str(meet), a.address)
        device = run(b, str(PROGRAMS / "lsl_device.py"), DEVICE, str(RATE), str(SECONDS))
        ask = run(b, "-m", "tests.hosts.one_time", "ask", str(meet), str(RATE * SECONDS))
        client = run(b, str(PROGRAMS / "lsl_client.py"), BACK, str(RATE * SECONDS // 2), "100")
        found = told(ask)
        back = told(client)
        told(device)
        (meet / "done").touch()
        told(keep)
    assert np.array(found["offsets"]) == pytest.approx(truth, abs=WELL)
    assert np.array(found["source"]) == pytest.approx(truth, abs=WELL), "stamps less what they should be"
    assert np.array(found["steps"]) == pytest.approx(1 / RATE, abs=WELL), "no jump"
    facts = found["facts"]
    assert facts["offset"] == pytest.approx(truth, abs=facts["uncertainty"] + 1e-4)
    assert facts["uncertainty"] < WELL
    errors = np.array(back["stamps"]) - np.array(back["values"])
    assert len(errors) >= RATE * SECONDS // 2
    assert np.abs(errors).max() < WELL, "a client there sees its own clock"
