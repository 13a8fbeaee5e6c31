"""How stream presets and outputs of scripts stand in a graph: sources, formats and broadcasts."""

from __future__ import annotations

from typing import Any

from rena_graph.graph.document import DTYPES, LSL_DTYPES
from rena_graph.graph.presets.records import OutputRecord, StreamRecord
from rena_graph.graph.presets.remarks import Remarks

__all__ = ["FIRST_PORT", "Ports", "output_def", "short", "stream_def", "unsupported"]

FIRST_PORT = 11_000
"""Where free ports are looked for; PhysioLabXR's outputs begin here too."""

_DEVICES = {
    "AUDIO": "an audio device", "WEBCAM": "a webcam", "MONITOR": "a capture of the screen", "FMRI": "an fMRI volume",
    "FNIRS": "an fNIRS device", "CUSTOM": "a device that a plugin of PhysioLabXR reads",
}  # fmt: skip
_LSL_OUT = {"uint8": "int16", "uint16": "int32", "uint32": "int64", "uint64": "float64", "float16": "float32"}
"""For outputs in a type that LSL cannot carry: one that holds all their values."""

_LSL_ONCE = "streams over LSL"


def unsupported(record: StreamRecord) -> str | None:
    """Why a stream has no place in a graph; None where it has one."""
    if record.interface not in ("LSL", "ZMQ"):
        what = _DEVICES.get(record.interface.upper(), f"of the kind {record.interface}")
        return f"it is {what}, which a graph does not read; let a program publish it on LSL or ZMQ, and name it there"
    if record.interface == "ZMQ" and record.dtype == "float16":
        return "its values are float16, which a graph cannot read; let its sender publish float32"
    if record.interface == "ZMQ" and (record.port is None or not 1 <= record.port <= 65535):
        return f"it comes over ZMQ, and its PortNumber {record.port} is no port"
    return None


def stream_def(record: StreamRecord, from_outlet: bool, remarks: Remarks) -> dict[str, Any]:
    """A stream of the document.

    Parameters
    ----------
    record : StreamRecord
        One that is not :func:`unsupported`.
    from_outlet : bool
        Whether rate and dtype of an LSL stream are left to its outlet.
    """
    about = f"stream {record.name}"
    definition: dict[str, Any]
    dtype = record.dtype if record.dtype in DTYPES else "float32"
    if record.interface == "ZMQ":
        definition = {"from": {"zmq": {"port": record.port, "clock": "lsl"}}, "channels": record.channels}
        definition |= {"rate": short(record.rate), "dtype": dtype}
        remarks.assumed(
            "streams over ZMQ",
            "that their senders stamp with LSL's clock, as PhysioLabXR reads them; other stamps are replaced by the "
            'time of arrival. Where senders stamp with Unix time, write "clock": "unix"',
        )
    else:
        definition = {"from": {"lsl": {"name": record.name}}, "channels": record.channels}
        if not from_outlet:
            definition["rate"] = short(record.rate)
            remarks.assumed(
                _LSL_ONCE,
                "that their rates and types are as the presets say. PhysioLabXR takes any; here an outlet that differs "
                "is refused: correct or remove rate and dtype then, or import again with --from-outlets",
            )
            if dtype in LSL_DTYPES and record.dtype != "float16":
                definition["dtype"] = dtype
            else:
                remarks.changed(about, f"its type is left to the outlet: LSL cannot carry {record.dtype}")
    if record.channel_names:
        definition["channel_names"] = list(record.channel_names)
    return definition


class Ports:
    """The ports that a graph publishes on."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self, wanted: int | None) -> int:
        """`wanted`, where it is a port and free, else the next free one from :data:`FIRST_PORT` on."""
        port = wanted if wanted is not None and 1 <= wanted <= 65535 else FIRST_PORT
        while port in self._taken:
            port = port + 1 if port < 65535 else FIRST_PORT
        self._taken.add(port)
        return port


def output_def(
    output: OutputRecord, preset: StreamRecord | None, run_frequency: float, ports: Ports, remarks: Remarks
) -> dict[str, Any]:
    """An output of a node.

    Parameters
    ----------
    output : OutputRecord
        What the script preset says.
    preset : StreamRecord | None
        The stream preset of the same name, by which PhysioLabXR's scripts received it.
    run_frequency : float
        Of the script, in Hz.
    ports : Ports
        Those that are taken.
    """
    about = f"output {output.name}"
    dtype, to = output.dtype, dict[str, Any]()
    if output.interface == "LSL":
        dtype = _LSL_OUT.get(dtype, dtype)
        to["lsl"] = {"type": output.name}
    elif output.interface == "ZMQ":
        dtype = "float32" if dtype == "float16" else dtype
        to["zmq"] = {"port": ports.take(output.port)}
        if to["zmq"]["port"] != output.port:
            remarks.changed(about, f"published on port {to['zmq']['port']} instead of {output.port}: taken, or no port")
        remarks.changed(
            "outputs over ZMQ",
            'published on this machine alone, 127.0.0.1; PhysioLabXR binds all interfaces: "bind": "*" does that',
        )
    else:
        remarks.lost(about, f"its broadcast over {output.interface}: only LSL and ZMQ are known here")
    if dtype not in DTYPES:
        remarks.assumed(about, f"float32, since its type {dtype} is not known")
        dtype = "float32"
    elif dtype != output.dtype:
        remarks.changed(about, f"sent as {dtype} instead of {output.dtype}, which {output.interface} cannot carry here")
    definition: dict[str, Any] = {"channels": output.channels, "dtype": dtype}
    rate = _rate(preset, run_frequency)
    if rate:
        definition["rate"] = short(rate)
    else:
        remarks.changed(
            "outputs of scripts",
            "announced as irregular where no stream preset gives a rate of at least the run frequency, which is what "
            "PhysioLabXR announces. Give an output the rate at which it really comes",
        )
    if preset is not None and len(preset.channel_names) == output.channels:
        definition["channel_names"] = list(preset.channel_names)
    if to:
        definition["to"] = to
    return definition


def short(value: float) -> float | int:
    """15 instead of 15.0, as people write it."""
    return int(value) if value == int(value) else value


def _rate(preset: StreamRecord | None, run_frequency: float) -> float:
    """The preset's rate; one below the run frequency may be a default, and would stamp samples into the future."""
    return preset.rate if preset is not None and preset.rate >= run_frequency else 0.0
