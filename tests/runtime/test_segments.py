"""Logs that are cut into segments: whatever is written and read when, nothing is lost but what is said to be."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rena_graph.runtime.node.console import FREE_BYTES, Console, ConsoleTail
from rena_graph.runtime.segments import SegmentTail, SegmentWriter, read_segments

Steps = st.lists(st.one_of(st.integers(1, 9), st.just("read"), st.just("reopen")), max_size=60)


def gap(text: str) -> dict[str, Any]:
    return {"gap": int(text.split()[0].replace(",", ""))}


def open_log(folder: Path) -> SegmentWriter:
    return SegmentWriter(folder, "log", gap, segment_bytes=60, kept=4)


def test_a_record_that_death_cut_short_takes_no_other_with_it(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.write([{"n": 1}])
    log.close()
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"n": ')
    log = open_log(tmp_path)
    log.write([{"n": 2}])
    log.close()
    assert list(read_segments(tmp_path, "log")) == [{"n": 1}, {"n": 2}]


@given(Steps)
def test_a_tail_sees_each_record_once_and_in_order_and_the_log_is_bounded(steps: list[int | str]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        log, tail = open_log(folder), SegmentTail(folder, "log")
        written, seen = 0, []
        for step in steps:
            if step == "read":
                seen += tail.read()
            elif step == "reopen":
                log.close()
                log = open_log(folder)
            else:
                assert isinstance(step, int)
                log.write([{"n": n} for n in range(written, written + step)])
                written += step
            assert len(list(folder.glob("*"))) <= 4
        seen += tail.read()
        log.close()
        numbers = [record["n"] for record in seen if "n" in record]
        assert numbers == sorted(set(numbers))
        kept = [record["n"] for record in read_segments(folder, "log") if "n" in record]
        assert set(kept) <= set(numbers)
        assert kept == sorted(kept)
        if written:
            assert kept[0] == 0
            assert kept[-1] == written - 1


def test_what_was_removed_is_said_with_its_number(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    for n in range(100):
        log.write([{"n": n}])
    log.close()
    records = list(read_segments(tmp_path, "log"))
    kept = [record["n"] for record in records if "n" in record]
    last_gap = [record["gap"] for record in records if "gap" in record][-1]
    removed_gaps = 100 - len(kept)
    assert kept[0] == 0
    assert kept[-1] == 99
    assert last_gap >= removed_gaps > 0  # notes in segments that were removed count as lines too
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4 * 120


def test_a_tail_may_leave_out_what_is_there(tmp_path: Path) -> None:
    log, tail = open_log(tmp_path), SegmentTail(tmp_path, "log")
    tail.skip()
    assert tail.read() == []
    for n in range(20):
        log.write([{"n": n}])
    tail.skip()
    log.write([{"n": 20}])
    log.close()
    assert [record for record in tail.read() if "n" in record] == [{"n": 20}]


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"n": 1}\n{"n": \n[]\n{"n": 2}\n{"n"')
    assert list(read_segments(tmp_path, "log")) == [{"n": 1}, {"n": 2}]


def test_a_console_that_was_read_takes_no_space(tmp_path: Path) -> None:
    console = Console(str(tmp_path / "c"), "n", lambda: 0.0)
    tail = ConsoleTail(str(tmp_path / "c"), "n", lambda: 0.0)
    line = "x" * 10_000
    seen = 0
    for _ in range(5 * FREE_BYTES // len(line)):
        console.write("error", line)
        seen += len(tail.read())
    file = tmp_path / "c.jsonl"
    assert seen == 5 * FREE_BYTES // len(line)
    assert file.stat().st_size > 5 * FREE_BYTES
    assert 512 * file.stat().st_blocks < 3 * FREE_BYTES
