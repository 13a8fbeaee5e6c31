"""Whom to slow down so that a more important node keeps its rate, and how fast to give it back. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

__all__ = ["Throttle"]

FLOOR = 0.25
"""Share of its asked rate below which no node is slowed."""
STEP = 0.8
SLOWER_EVERY = 1.0
"""Seconds between two steps down."""
BACK_AFTER = 5.0
"""Seconds for which all is well before a step back, and between two; doubled with each relapse."""
PATIENCE = 120.0
"""Longest of these."""


class Throttle:
    """Shares of their asked rates at which nodes run.

    The least important are slowed first, all of one importance together; when no node is in need any more, the most
    important of those that were slowed get theirs back first.

    Parameters
    ----------
    importances : mapping
        Of each node that can be slowed (it has a rate): 0 to 100.
    """

    def __init__(self, importances: Mapping[str, int]) -> None:
        self._importances = importances
        self.shares: dict[str, float] = {}
        """By node: from :data:`FLOOR` to 1 (left out)."""
        self._next_at = 0.0
        self._wait = BACK_AFTER
        self._giving_back = False

    def update(self, needy: Mapping[str, int], now: float, gone: Collection[str] = ()) -> list[str]:
        """Take a step where one is due.

        Parameters
        ----------
        needy : mapping
            The nodes for which others are to be slowed, with their importance.
        now : float
            Seconds.
        gone : collection of str
            Nodes that have ended: there is nothing to be had from them.

        Returns
        -------
        list of str
            The nodes whose share is another one now.
        """
        if needy:
            if self._giving_back:
                self._giving_back = False
                self._wait = min(2 * self._wait, PATIENCE)
            if now < self._next_at:
                return []
            self._next_at = now + SLOWER_EVERY
            return self._slow(self._group(max(needy.values()), gone, set(needy)))
        if not self.shares:
            self._wait = BACK_AFTER
            return []
        if not self._giving_back:
            self._giving_back = True
            self._next_at = now + self._wait
        if now < self._next_at:
            return []
        self._next_at = now + self._wait
        return self._give_back()

    def _group(self, below: int, gone: Collection[str], needy: set[str]) -> list[str]:
        """The nodes of the lowest importance that can still be slowed."""
        able = [
            node
            for node, importance in self._importances.items()
            if importance < below and node not in gone and node not in needy and self.shares.get(node, 1.0) > FLOOR
        ]
        lowest = min((self._importances[node] for node in able), default=0)
        return [node for node in able if self._importances[node] == lowest]

    def _slow(self, nodes: list[str]) -> list[str]:
        for node in nodes:
            self.shares[node] = max(FLOOR, self.shares.get(node, 1.0) * STEP)
        return nodes

    def _give_back(self) -> list[str]:
        highest = max(self._importances[node] for node in self.shares)
        nodes = [node for node in self.shares if self._importances[node] == highest]
        for node in nodes:
            share = self.shares[node] / STEP
            if share >= 1.0 - 1e-9:
                del self.shares[node]
            else:
                self.shares[node] = share
        return nodes
