"""A window that the compiled kernel can fill; only where that is there, else it is the plain one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rena_graph import kernel
from rena_graph.streams.buffer import InputBuffer

__all__ = ["FastWindow"]

if TYPE_CHECKING or kernel.core is not None:
    from rena_graph.kernel import _core

    class FastWindow(_core.WindowCore, InputBuffer):
        """See :class:`~rena_graph.streams.buffer.InputBuffer`."""

        def _start_anew(self, channels: int) -> None:
            super()._start_anew(channels)
            self._plain = self.pick is None and self.duration is None

        _append_slowly = InputBuffer.append

else:
    FastWindow = InputBuffer
