"""Where rings cannot run, the reason is said."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rena_graph.errors import TransportError
from rena_graph.transport import futex, mapping, probe
from tests.limits import LIMIT


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    probe.ring_available.cache_clear()
    yield
    probe.ring_available.cache_clear()


def test_here_they_run_and_the_probe_leaves_nothing() -> None:
    before = set(Path("/dev/shm").glob("rena-probe*"))
    assert probe.ring_available() is None
    assert set(Path("/dev/shm").glob("rena-probe*")) == before


def test_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert probe.ring_available() == "rings need Linux, this is darwin"


def test_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert probe.ring_available() == "rings rely on the memory order of x86-64, this is aarch64"


def test_an_older_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    # A number that no kernel knows answers as futex_waitv does on Linux before 5.16.
    monkeypatch.setattr(futex, "_NR_FUTEX_WAITV", 99_999)
    reason = probe.ring_available()
    assert reason is not None
    assert "Linux 5.16" in reason
    assert "Function not implemented" in reason


def test_no_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mapping, "SHARED_MEMORY", str(tmp_path / "missing"))
    reason = probe.ring_available()
    assert reason is not None
    assert "cannot be used" in reason


def test_mappings_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TransportError("cannot map 12,288 bytes: Operation not permitted (errno 1)")

    monkeypatch.setattr(mapping, "map_mirrored", refuse)
    reason = probe.ring_available()
    assert reason is not None
    assert "not permitted" in reason


def test_links_import_neither_zmq_nor_the_rings() -> None:
    code = (
        "import sys, rena_graph.transport.links\n"
        "loaded = [m for m in ('zmq', 'msgpack', 'ray', 'rena_graph.transport.futex') if m in sys.modules]\n"
        "sys.exit(' '.join(loaded) or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LIMIT)
