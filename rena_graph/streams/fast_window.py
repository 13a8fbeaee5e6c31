"""A script's windows and what it is shown of them, with the compiled kernel; the plain ones where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rena_graph import kernel
from rena_graph.streams.buffer import InputBuffer
from rena_graph.streams.input_port import InputPort, Layout
from rena_graph.streams.shown import ShownWindow

__all__ = ["FastPort", "FastView", "FastWindow"]

if TYPE_CHECKING or kernel.core is not None:
    from rena_graph.kernel import _core

    class FastWindow(_core.WindowCore, InputBuffer):
        """See :class:`~rena_graph.streams.buffer.InputBuffer`."""

        def _start_anew(self, channels: int) -> None:
            super()._start_anew(channels)
            self._plain = self.pick is None and self.duration is None

        _append_slowly = InputBuffer.append

    class FastView(_core.ViewCore, ShownWindow):
        """See :class:`~rena_graph.streams.shown.ShownWindow`."""

    class FastPort(_core.PortCore, InputPort):
        """See :class:`~rena_graph.streams.input_port.InputPort`; of one of the two."""

        def __init__(self, name: str, buffer: FastWindow | FastView, layout: Layout = "samples_first") -> None:
            super().__init__(name, buffer, layout)
            self._turned = layout == "channels_first"

        _begin_slowly = InputPort.begin_loop

else:
    FastWindow, FastView, FastPort = InputBuffer, ShownWindow, InputPort
