"""Prints once a second what has arrived on each input: a place to start from."""

from __future__ import annotations

from rena_graph import RenaScript


class ShowStreams(RenaScript):
    """Put your own script in its place."""

    def init(self) -> None:
        """Count from nothing."""
        self.samples = dict.fromkeys(self.input_names, 0)
        self.said = self.local_clock()

    def loop(self) -> None:
        """Count what is new, and say it when a second is over."""
        for name in self.samples:
            self.samples[name] += len(self.inputs.new(name)[1])
        now = self.local_clock()
        if now - self.said >= 1.0:
            counts = [f"{name}: {count} samples" for name, count in self.samples.items() if count]
            print("; ".join(counts) or "nothing has arrived")  # noqa: T201 - a script's print is its console
            self.samples = dict.fromkeys(self.samples, 0)
            self.said = now
