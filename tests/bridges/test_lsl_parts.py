"""The parts of the LSL bridges that need no network."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.bridges.base import DeclaredFormat
from rena_graph.bridges.lsl_format import predicate
from rena_graph.bridges.lsl_library import quiet_configuration
from rena_graph.bridges.lsl_search import choose
from rena_graph.bridges.lsl_watch import SilenceWatch, SmoothOffset
from rena_graph.graph.document import LslSource


@dataclass
class Info:
    """What an outlet says of itself, in the words of ``pylsl.StreamInfo``."""

    own_uid: str
    own_source_id: str = ""
    channels: int = 2
    host: str = "here"

    def uid(self) -> str:
        return self.own_uid

    def source_id(self) -> str:
        return self.own_source_id

    def channel_count(self) -> int:
        return self.channels

    def hostname(self) -> str:
        return self.host

    def created_at(self) -> float:
        return 0.0

    def nominal_srate(self) -> float:
        return 100.0

    def channel_format(self) -> int:
        return 1

    def name(self) -> str:
        return "EEG"

    def type(self) -> str:
        return "EEG"


DECLARED = DeclaredFormat(2, 100.0, "float32")


def test_all_that_is_said_must_match() -> None:
    source = LslSource(name="EEG", type="EEG", source_id="7", predicate="channel_count>3 or hostname='a'")
    assert predicate(source) == "name='EEG' and type='EEG' and source_id='7' and (channel_count>3 or hostname='a')"


@pytest.mark.parametrize(
    ("name", "term"),
    [("it's", '''name="it's"'''), ('a"b', """name='a"b'"""), ("""a'b"c""", """name=concat('a', "'", 'b"c')""")],
)
def test_quotes_in_names(name: str, term: str) -> None:
    assert predicate(LslSource(name=name)) == term


def test_the_outlet_that_was_connected_before_is_preferred() -> None:
    infos: list[Any] = [Info("1", "a"), Info("2", "b"), Info("3", "c")]
    chosen = choose("S", infos, DECLARED, "b", set())
    assert chosen is infos[1]


def test_outlets_of_another_format_are_no_choice() -> None:
    infos: list[Any] = [Info("1", "a", channels=3), Info("2", "b")]
    assert choose("S", infos, DECLARED, "a", set()) is infos[1]
    assert choose("S", infos[:1], DECLARED, "", set()) is None


def test_the_same_ambiguity_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    said: set[str] = set()
    infos: list[Any] = [Info("2", "b"), Info("1", "a")]
    with caplog.at_level(logging.WARNING):
        assert choose("S", infos, DECLARED, "", said) is infos[1]
        choose("S", infos, DECLARED, "", said)
    assert len(caplog.records) == 1


def test_a_regular_stream_is_lost_within_a_second() -> None:
    watch = SilenceWatch(100.0, 0.0)
    assert not watch.must_probe(0.39)
    assert watch.must_probe(0.4)
    lost = []
    for now in (0.65, 0.9):
        watch.probed(False, now)
        lost.append((watch.lost, watch.must_probe(now)))
    watch.heard(11.0)
    lost.append((watch.lost, watch.must_probe(11.1)))
    assert lost == [(False, True), (True, False), (False, False)]


def test_an_outlet_that_answers_is_not_lost_however_long_it_is_silent() -> None:
    watch = SilenceWatch(100.0, 0.0)
    now = 0.4
    for _ in range(100):
        assert watch.must_probe(now)
        watch.probed(True, now)
        assert not watch.must_probe(now + 0.9)
        now += 1.0
    assert not watch.lost


def test_one_lost_probe_is_forgiven() -> None:
    watch = SilenceWatch(100.0, 0.0)
    watch.probed(False, 0.65)
    watch.probed(True, 0.7)
    watch.probed(False, 2.0)
    assert not watch.lost


def test_slow_and_irregular_streams_are_asked_later() -> None:
    assert not SilenceWatch(0.5, 0.0).must_probe(5.9)
    assert SilenceWatch(0.5, 0.0).must_probe(6.0)
    assert not SilenceWatch(0.0, 0.0).must_probe(4.9)


@given(st.lists(st.floats(-0.001, 0.001), max_size=50))
def test_a_noisy_offset_moves_slowly(estimates: list[float]) -> None:
    offset = SmoothOffset(0.0)
    for estimate in estimates:
        before = offset.value
        assert not offset.update(estimate)
        assert abs(offset.value - before) <= 0.0002 + 1e-12


def test_a_jump_is_followed_at_once() -> None:
    offset = SmoothOffset(0.0)
    assert offset.update(3600.0)
    assert offset.value == 3600.0


def test_the_users_own_configuration_is_kept() -> None:
    assert quiet_configuration(None) == "\n[log]\nlevel = -3\n"
    kept = quiet_configuration("[lab]\nKnownPeers = {10.0.0.7}\n")
    assert kept is not None
    assert "KnownPeers = {10.0.0.7}" in kept
    assert "level = -3" in kept
    assert quiet_configuration("[log]\nlevel = 2\n") is None
