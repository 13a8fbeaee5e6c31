"""When a loop that is triggered by counted samples (``{"every": n}``) may begin, and what it is given."""

from __future__ import annotations

import math

from rena_graph.runtime.node.feed import Feed

__all__ = ["EveryGate"]


class EveryGate:
    """Decides when the next block of a sample-counted trigger is complete, and what it holds.

    Blocks are aligned to the stream's absolute sequence: block `k` is the samples from ``k * every`` to
    ``(k + 1) * every - 1``. Where samples were lost, the rest of their block is passed over, so that each loop gets a
    whole block or none.

    Parameters
    ----------
    block : Feed
        The counted stream.
    others : sequence of Feed
        The other inputs (delayed ones left out), which are cut at the block's last timestamp.
    every : int
        Samples a block.
    wait : float
        Seconds to wait for the others at most, from the moment at which the block was seen complete.
    """

    def __init__(self, block: Feed, others: list[Feed], every: int, wait: float) -> None:
        self._block = block
        self._others = others
        self.every = every
        self.rate = block.setup.port.spec.rate
        self._wait = wait
        self._complete_since: float | None = None

    def _align(self) -> None:
        reader = self._block.reader
        beyond = reader.position % self.every
        if beyond and (pending := reader.pending()):
            reader.skip(min(self.every - beyond, pending))

    def ready(self, now: float) -> bool:
        """Whether a loop may begin."""
        self._align()
        reader = self._block.reader
        if reader.pending() < self.every or reader.position % self.every:
            self._complete_since = None
            return False
        if not self._others:
            return True
        if self._complete_since is None:
            self._complete_since = now
        if now >= self._complete_since + self._wait:
            return True
        return all(other.reaches(self._end()) for other in self._others)

    def pass_over(self) -> None:
        """Leave out all whole blocks but the newest."""
        self._align()
        reader = self._block.reader
        if (blocks := reader.pending() // self.every) > 1 and not reader.position % self.every:
            reader.skip((blocks - 1) * self.every, "newest")
            self._complete_since = None

    def _end(self) -> float:
        _, stamps = self._block.reader.peek(self.every)
        return float(stamps[-1])

    @property
    def deadline(self) -> float:
        """When waiting for the others ends; ``inf`` while the block itself is not complete."""
        return math.inf if self._complete_since is None else self._complete_since + self._wait

    def take(self) -> None:
        """Let the block, and what belongs to it, in."""
        end = self._end()
        for other in self._others:
            if count := other.count_up_to(end):
                other.take(count)
        self._complete_since = None
        self._block.take(self.every)
