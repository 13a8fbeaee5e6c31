"""Notes when its first sample arrived, by the clock that all processes share."""

import time
from pathlib import Path

from rena_graph import RenaScript


class FirstWord(RenaScript):
    """Writes the monotonic time of the first loop that has data into a file."""

    def init(self) -> None:
        """Nothing came yet."""
        self._said = False

    def loop(self) -> None:
        """The first time."""
        if not self._said and self.inputs.keys():
            self._said = True
            now = time.monotonic()
            part = Path(self.params["path"] + ".part")
            part.write_text(repr(now), encoding="utf-8")
            part.replace(self.params["path"])
