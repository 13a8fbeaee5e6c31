"""Hostile documents: an answer in seconds, within bounded memory, and never a traceback."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rena_graph.graph.findings import MAX_PROBLEMS
from tests.limits import LIMIT

SIZE = 9_900_000

CHECK = """
import resource, sys
# 500 MB of memory and 20 s of processor time: far beyond what it takes, far below what a blow-up takes.
resource.setrlimit(resource.RLIMIT_AS, (500_000_000 + int(sys.argv[2]),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
from rena_graph.errors import GraphInvalid
from rena_graph.graph.load import load_graph
try:
    load_graph(sys.argv[1])
except GraphInvalid as invalid:
    problems = invalid.problems
    str(invalid)
    print(len(problems), *sorted({problem.code for problem in problems}))
"""
ADDRESS_SPACE_OF_PYTHON = 150_000_000
"""Libraries that are mapped and hardly used."""


def _document(**parts: Any) -> bytes:
    return json.dumps({"version": 1, "name": "g", **parts}).encode()


def _nodes(count: int, make: Callable[[int], dict[str, Any]]) -> bytes:
    return _document(nodes={f"n{i}": {"script": "s.py", **make(i)} for i in range(count)})


def _cycle(count: int) -> bytes:
    return _nodes(count, lambda i: {"inputs": [f"s{i}"], "outputs": {f"s{(i + 1) % count}": {"channels": 1}}})


def _wide() -> bytes:
    streams: dict[str, Any] = {f"s{i}": {"from": {"simulate": {}}} for i in range(10_000)}
    return _document(streams=streams, nodes={"n": {"script": "s.py", "inputs": [f"t{i}" for i in range(1000)]}})


CASES: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "random bytes": (lambda: random.Random(1).randbytes(SIZE), {"G003"}),
    "random text": (lambda: bytes(random.Random(1).choices(range(32, 127), k=SIZE)), {"G004"}),
    "open brackets": (lambda: b"[" * SIZE, {"G008"}),
    "100,000 deep": (lambda: b"[" * 100_000 + b"]" * 100_000, {"G007"}),
    "100,000 objects deep": (lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {"G007"}),
    "many values": (lambda: b"[" + b"0," * (SIZE // 2) + b"0]", {"G008"}),
    "many empty objects": (lambda: b"[" + b"{}," * 490_000 + b"{}]", {"G008"}),
    "many NaN": (lambda: b"[" + b"NaN," * 900_000 + b"1]", {"G006", "G008"}),
    "a key 900,000 times": (lambda: b"{" + b'"a":1,' * 900_000 + b'"a":1}', {"G005"}),
    "a text without end": (lambda: b'"' + b"\\" * SIZE, {"G004"}),
    "a long number": (lambda: b'{"version":' + b"1" * SIZE + b"}", {"G006"}),
    "a long name": (lambda: b'{"version":1,"nodes":{},"name":"' + b"a" * SIZE + b'"}', {"G106", "G207"}),
    "line breaks": (lambda: b'{"version":' + b"\n" * SIZE + b'3,"name":"g"}', {"G108", "G207"}),
    "100,000 nodes": (lambda: _nodes(100_000, lambda i: {}), {"G109"}),
    "10,000 broken nodes": (lambda: _nodes(10_000, lambda i: {"inputs": [5], "o": 3}), {"G010", "G101", "G103"}),
    "810,000 inputs": (lambda: _nodes(900, lambda i: {"inputs": [f"s{j}" for j in range(900)]}), {"G109"}),
    "90,000 inputs of one node": (lambda: _nodes(1, lambda i: {"inputs": [5] * 90_000}), {"G109"}),
    "a cycle of 10,000 nodes": (lambda: _cycle(10_000), {"G010", "G205", "G501"}),
    "1,000 unknown of 10,000 names": (_wide, {"G010", "G201"}),
}


@pytest.mark.parametrize("name", CASES)
def test_hostile_documents_are_answered(name: str, tmp_path: Path) -> None:
    make, codes = CASES[name]
    path = tmp_path / "graph.json"
    path.write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(path), str(ADDRESS_SPACE_OF_PYTHON)],
        capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
    count, *found = done.stdout.split()
    assert set(found) == codes
    assert int(count) <= MAX_PROBLEMS + 1
