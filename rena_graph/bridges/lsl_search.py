"""Finding an LSL stream on the network, and choosing one where several could be meant."""

from __future__ import annotations

import logging
import threading
from typing import Any

from rena_graph.bridges.base import Clock
from rena_graph.bridges.declared import DeclaredFormat
from rena_graph.bridges.lsl_format import describe, found_format
from rena_graph.bridges.lsl_library import load_pylsl

__all__ = ["Search", "choose"]

logger = logging.getLogger(__name__)

_FORGET_AFTER = 1.0
"""Seconds without an answer after which an outlet counts as gone."""

_SETTLE = 0.3
"""Seconds to wait, after the first answer, for those of other outlets that could be meant as well."""

_POLL = 0.05


class Search:
    """Looks for outlets in the background, from construction to :meth:`close`.

    Parameters
    ----------
    predicate : str | None
        XPath, as liblsl takes it; None for all outlets there are.

    Notes
    -----
    liblsl's one-shot ``resolve_*`` functions are not used: they at times take five seconds longer than they are told.
    """

    def __init__(self, predicate: str | None) -> None:
        self._resolver: Any = load_pylsl().ContinuousResolver(pred=predicate, forget_after=_FORGET_AFTER)

    def results(self) -> list[Any]:
        """``pylsl.StreamInfo`` of each outlet that answers now, without extended description."""
        return list(self._resolver.results()) if self._resolver is not None else []

    def wait(self, timeout: float, cancel: threading.Event, monotonic: Clock, preferred: str = "") -> list[Any]:
        """Wait until any answers, and a moment more for others, unless one has the source_id `preferred`.

        Empty where none did in `timeout` seconds.
        """
        deadline = monotonic() + timeout
        while not (found := self.results()):
            if monotonic() >= deadline or cancel.wait(_POLL):
                return []
        if preferred and any(info.source_id() == preferred for info in found):
            return found
        cancel.wait(_SETTLE)
        return self.results() or found

    def close(self) -> None:
        """Stop looking."""
        self._resolver = None


def choose(name: str, infos: list[Any], declared: DeclaredFormat, preferred: str, said: set[str]) -> Any | None:
    """The outlet to connect to; None where none of them has the declared format.

    Of several the one with the source_id that was connected before; else the first by host, source_id and time of
    creation, so that the choice is the same each time.

    Parameters
    ----------
    name : str
        Of the stream in the graph, for the log.
    infos : list of pylsl.StreamInfo
        What answered.
    declared : DeclaredFormat
        What it must be.
    preferred : str
        The source_id that was connected before, or the empty string.
    said : set of str
        Uids of outlets whose ambiguity was said already; extended here.
    """
    fitting = [info for info in infos if not declared.differences(found_format(info))]
    same = [info for info in fitting if preferred and info.source_id() == preferred]
    ranked = sorted(
        same or fitting, key=lambda info: (info.hostname(), info.source_id(), info.created_at(), info.uid())
    )
    if not ranked:
        return None
    uids = {info.uid() for info in ranked}
    if len(ranked) > 1 and not uids <= said:
        said |= uids
        logger.warning(
            "stream %r: %d outlets could be meant; taking %s. Give its source_id in the graph to choose",
            name, len(ranked), describe(ranked[0]),
        )  # fmt: skip
    return ranked[0]
