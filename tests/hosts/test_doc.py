"""The commands of docs/multi-machine.md, typed as they stand there: from two bare machines to a running graph."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.hosts.rig import BIN, Host, Network, why_not
from tests.runtime.live import SCRIPTS, collect, counter, document, kept, relay

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]

PAGE = ROOT / "docs" / "multi-machine.md"
HOME = "/run/home"
"""On each host another one: /run is its own."""
SAMPLES = 500
_OVER = "---over-"


def commands() -> list[tuple[str, str]]:
    """The host and the line, in the order in which they are typed; comments say where."""
    text = PAGE.read_text(encoding="utf-8")
    part = text[text.index("## From two machines to a running graph") :]
    block = re.search(r"(?:^    .*\n)+", part, re.MULTILINE)
    assert block is not None
    found: list[tuple[str, str]] = []
    where: list[str] = []
    for line in block[0].splitlines():
        line = line.strip()
        if line.startswith("#"):
            where = ["lab", "gpu"] if "on both" in line else re.findall(r"\bon (lab|gpu)\b", line.partition(":")[0])
            each = "on both" in line or len(where) == 1
        elif each:
            found += [(host, line) for host in where]
        else:
            found.append((where.pop(0), line))
    return found


def test_it_is_less_than_ten() -> None:
    assert 5 < len(commands()) < 10, commands()


class Terminal:
    """A shell on a host, in which somebody types."""

    def __init__(self, host: Host, folder: Path) -> None:
        self._log = folder / f"{host.name}.txt"
        self._log.touch()
        with self._log.open("w") as log:
            self._shell = host.start(
                "bash", "--norc", env={"HOME": HOME, "RAY_TMPDIR": "/run"}, log=log, stdin=subprocess.PIPE
            )
        self._count = 0

    def types(self, line: str, limit: float = 120.0) -> str:
        """One line, to its good end; what was printed."""
        assert self._shell.stdin is not None
        self._count += 1
        before = len(self._log.read_text())
        # What a program in the background has of the terminal is not what comes next.
        self._shell.stdin.write(f"{line}\necho {_OVER}{self._count} $?\n")
        self._shell.stdin.flush()
        deadline = time.monotonic() + limit
        end = re.compile(rf"^{_OVER}{self._count} (\d+)$", re.MULTILINE)
        while (over := end.search(self._log.read_text())) is None:
            assert time.monotonic() < deadline, f"{line} took over {limit:g} s\n{self._log.read_text()}"
            time.sleep(0.05)
        said = self._log.read_text()[before:]
        assert over[1] == "0", said
        return said


@contextmanager
def two_machines(folder: Path) -> Iterator[dict[str, Host]]:
    """As the page names them."""
    with Network(folder) as network:
        hosts = {name: network.add(name) for name in ("lab", "gpu")}
        for host in hosts.values():
            host.run("mkdir", "-m", "700", HOME)
        yield hosts


def study(host: Host, folder: Path) -> None:
    """A graph in the lab's home: a node that asks for a GPU, the rest where it is launched."""
    nodes = {
        "a": relay("C", "X", 250, placement={"num_gpus": 1}, buffer_duration=4.0),
        "last": collect(folder / "kept.npz", "C", "X", placement={"host": host.address}, buffer_duration=4.0),
    }
    graph = folder / "graph.json"
    source = {**counter(250, samples=SAMPLES), "host": host.address}
    graph.write_text(json.dumps(document({"C": source}, nodes)))
    for file in (graph, SCRIPTS / "relay.py", SCRIPTS / "collect.py"):
        host.run("cp", str(file), HOME)


def test_what_the_page_says_leads_to_a_running_graph(tmp_path: Path) -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with two_machines(tmp_path) as hosts:
        study(hosts["lab"], tmp_path)
        terminals = {name: Terminal(host, tmp_path) for name, host in hosts.items()}
        for terminal in terminals.values():
            terminal.types(f"cd {HOME}; scp() {{ cp -p $2 {tmp_path}/sent; }}")
        said = {}
        for name, line in commands():
            if line.startswith("python3 -m venv"):
                line = f"ln -s {BIN.parent} ~/rg"  # the same, made before
            said[line] = terminals[name].types(line)
            if "scp " in line:
                terminals["gpu"].types(f"cp -p {tmp_path}/sent ~/ray-token")
        (plan,) = [text for line, text in said.items() if "rena-graph plan" in line]
        assert re.search(rf"\ba\b.*{hosts['gpu'].address}|{hosts['gpu'].address}.*\ba\b", plan), plan
        data = kept(tmp_path / "kept.npz")
        assert np.array_equal(data["X"][:, 0], np.arange(SAMPLES))
        assert np.array_equal(data["X.stamps"], data["C.stamps"])
        assert terminals["gpu"].types("stat -c %a ~/ray-token").startswith("600")
