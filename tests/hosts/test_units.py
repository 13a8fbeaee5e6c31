"""The systemd units with the machine as they let their processes see it: read-only, but for what each may write."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.deploy.units import environment, exec_start, ports, writable
from tests.hosts.rig import BIN, Host, Network, why_not
from tests.hosts.test_cluster import write
from tests.runtime.live import collect, counter, document, kept, relay, wait_until

pytestmark = pytest.mark.hosts

STATE = "/var/lib/rena-graph"
VIEW = """
set -e
for folder in $WRITABLE; do mount --bind "$folder" "$folder"; done
for folder in / /run /var/lib; do mount -o remount,bind,ro "$folder"; done
for folder in /run /var/lib /usr; do
    if touch "$folder/probe" 2>/dev/null; then echo "$folder can be written" >&2; exit 99; fi
done
exec "$@"
"""
"""What ``ProtectSystem=strict`` makes of the mounts, for a command. Instead of a /tmp of its own it has one that is
read-only: the Python that runs may lie there."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with a /run and a /var/lib of its own, and what the units make there before they start."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with Network(tmp_path) as network:
        made = network.add("units")
        made.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/lib")
        for folder in writable("rena-graph-head.service"):
            made.run("mkdir", "-p", "-m", "700", folder)
        made.run("mkdir", "-m", "755", "/run/graphs")
        yield made


def view(unit: str, *command: str) -> tuple[str, ...]:
    """A command as a process of the unit."""
    allowed = f"WRITABLE={' '.join(sorted(writable(unit)))}"
    return ("unshare", "--mount", "env", allowed, "bash", "-c", VIEW, "view", *command)


def test_a_graph_unit_runs_whole_on_the_ray_of_the_head_s(host: Host, tmp_path: Path) -> None:
    own = {"RG_NODE_IP": host.address, "RG_HEAD_IP": host.address, "RG_RAY_OPTIONS": ""}
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(secrets.token_hex(32))
    nodes = {"a": relay("C", "X", 250), "last": collect(Path(f"{STATE}/kept.npz"), "X")}
    graph = write(document({"C": counter(250, samples=500)}, nodes), tmp_path)
    # Not in /tmp, which units share with nobody.
    host.run("cp", graph, "/run/graphs/study.json")
    ours = {"RAY_AUTH_TOKEN_PATH": "/run/graphs/token", "HOME": "/nonexistent"}
    host.run("cp", "-p", str(token), ours["RAY_AUTH_TOKEN_PATH"])

    head = exec_start("rena-graph-head.service", {**ports(), **own})[1:]
    log = tmp_path / "head.log"
    with log.open("w") as file:
        host.start(
            *view("rena-graph-head.service", str(BIN / "ray"), *head),
            env={**environment("rena-graph-head.service"), **ours}, log=file,
        )  # fmt: skip
    wait_until(lambda: "Ray runtime started" in log.read_text(), what="the head's start")

    launch = [word.replace("%i", "study") for word in exec_start("rena-graph@.service", {**ports(), **own})[1:]]
    launch = [word.replace("/etc/rena-graph/graphs", "/run/graphs") for word in launch]
    said = host.run(
        *view("rena-graph@.service", str(BIN / "rena-graph"), *launch, "--allow-code", "/"),
        env={**environment("rena-graph@.service"), **ours}, timeout=120,
    )  # fmt: skip
    end = json.loads(said.splitlines()[-1])
    assert (end["event"], end["exit_code"]) == ("end", 0)
    (tmp_path / "kept.npz").write_bytes(host.read(f"{STATE}/kept.npz"))
    assert np.array_equal(kept(tmp_path / "kept.npz")["X"][:, 0], np.arange(500))
    assert host.files(f"{STATE}/rena_graph/runs"), "the run's folder"
