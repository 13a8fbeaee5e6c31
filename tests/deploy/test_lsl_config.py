"""The LSL configuration that we ship, given to LSL itself."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

from tests.limits import LIMIT

CONFIG = Path(__file__).parents[2] / "deploy" / "lsl_api.cfg"

OUTLET = """
import sys, pylsl
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(sys.argv[1], "EEG", 1, 0, "float32", sys.argv[1]))
print("ready", flush=True)
if outlet.wait_for_consumers(60):
    outlet.push_sample([42.0])
    sys.stdin.read()
"""

INLET = """
import sys, pylsl
found = pylsl.resolve_byprop("name", sys.argv[1], 1, 60)
inlet = pylsl.StreamInlet(found[0])
inlet.open_stream(60)
print(inlet.pull_sample(60)[0][0])
"""


def test_streams_are_found_on_this_machine_with_it() -> None:
    name = f"config-{uuid.uuid4().hex[:8]}"
    env = {**os.environ, "LSLAPICFG": str(CONFIG)}
    with subprocess.Popen(
        [sys.executable, "-c", OUTLET, name],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as outlet:  # fmt: skip
        assert outlet.stdout is not None
        assert outlet.stdout.readline().strip() == "ready"
        inlet = subprocess.run(
            [sys.executable, "-c", INLET, name], env=env, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        _, said = outlet.communicate("", timeout=LIMIT)
    assert inlet.stdout.strip() == "42.0", inlet.stderr
    assert "INFO" not in said, "the log level of the file holds"
