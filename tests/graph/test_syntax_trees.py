"""Graphs that several threads load at once: their scripts' trees do not get in each other's way."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rena_graph.graph.script_imports import modules_beside_script
from rena_graph.graph.script_outline import outline_script

SCRIPTS = Path(__file__).parent.parent / "scripts"
THREADS, TIMES = 4, 60


@pytest.fixture
def in_each_other_s_way() -> Iterator[None]:
    """Threads take turns in the middle of making a tree: at each garbage collection, of which there are many."""
    before, interval = gc.get_threshold(), sys.getswitchinterval()

    def let_others_in(*_: object) -> None:
        sum(range(3))

    gc.callbacks.append(let_others_in)
    gc.set_threshold(20)
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*before)
    gc.callbacks.remove(let_others_in)


@pytest.mark.usefixtures("in_each_other_s_way")
def test_several_threads_read_scripts_at_once() -> None:
    script = SCRIPTS / "collect.py"
    code = script.read_bytes()

    def read(depth: int) -> int:
        # CPython 3.11 fails where the threads' stacks differ in depth.
        for _ in range(TIMES):
            _below(depth, lambda: outline_script(code))
            _below(depth, lambda: modules_beside_script(script))
        return TIMES

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(read, range(0, 3 * THREADS, 3))) == [TIMES] * THREADS


def _below(depth: int, work: Callable[[], object]) -> None:
    if depth:
        _below(depth - 1, work)
    else:
        work()
