"""Finds PhysioLabXR's preset files and says what each of them is: saved state, stream, experiment, or none of these."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rena_graph.errors import UsageError
from rena_graph.graph.presets.records import Found, StreamRecord
from rena_graph.graph.presets.remarks import Remarks
from rena_graph.graph.presets.script_presets import script_record
from rena_graph.graph.presets.stream_presets import plain_keys, stream_record
from rena_graph.graph.presets.values import name_of, names_of

__all__ = ["find_presets"]

MAX_BYTES = 50_000_000
SAVED_STATE = "_presets.json"
_STATE_KEYS = ("stream_presets", "experiment_presets", "script_presets")
_FOLDERS = {"lslpresets": "LSL", "zmqpresets": "ZMQ", "devicepresets": "CUSTOM", "custompresets": "CUSTOM"}
_EXPERIMENTS = "experimentpresets"
_NOT_PRESETS = ("last_mod_times.json",)


def find_presets(paths: Sequence[Path], remarks: Remarks) -> Found:
    """Read everything that `paths` name: files, folders of stream presets, whole ``Presets`` folders.

    A stream that is described more than once is taken from the saved state, else from where it was found first.

    Raises
    ------
    UsageError
        A path that is not there, a file that cannot be read or is no preset, or nothing found in all of them.
    """
    found = Found()
    later: list[tuple[dict[str, Any], Path]] = []
    for path in paths:
        _say_other_folders(path, remarks)
        for file in _files(path):
            try:
                preset = _read(file)
                if any(key in preset for key in _STATE_KEYS):
                    _state(preset, str(file), found, remarks)
                else:
                    later.append((preset, file))
            except UsageError as reason:
                if path.is_file():
                    raise UsageError(f"{path}: {reason}") from reason
                remarks.lost(str(file), str(reason))
    for preset, file in later:
        _single(preset, file, found, remarks)
    if not (found.streams or found.experiments or found.scripts):
        raise UsageError(
            f"no presets in {', '.join(map(str, paths))}: expected {SAVED_STATE}, a folder such as LSLPresets, or JSON "
            "files with StreamName or ExperimentName"
        )
    _streams_of_experiments(paths, found, remarks)
    return found


def _files(path: Path) -> Iterator[Path]:
    """The JSON files that a path stands for, in a fixed order."""
    if path.is_file():
        yield path
    elif path.is_dir():
        known = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and _is_preset_folder(folder)]
        files = [*path.glob("*.json"), *(file for folder in known for file in folder.glob("*.json"))]
        yield from sorted(file for file in files if file.name not in _NOT_PRESETS and file.is_file())
    else:
        raise UsageError(f"there is no {path}")


def _say_other_folders(path: Path, remarks: Remarks) -> None:
    """Folders within a folder of presets that PhysioLabXR does not read either."""
    for folder in sorted(path.iterdir()) if path.is_dir() else ():
        if folder.is_dir() and not _is_preset_folder(folder) and any(folder.glob("*.json")):
            remarks.lost(str(folder), "not looked into, since PhysioLabXR does not either; name it to import it")


def _is_preset_folder(folder: Path) -> bool:
    return folder.name.lower() in _FOLDERS or folder.name.lower() == _EXPERIMENTS


def _read(file: Path) -> dict[str, Any]:
    """A file's JSON object. NaN and a byte order mark are let pass: the original writes and reads them.

    Raises
    ------
    UsageError
        Without the file's name: why it is no preset.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise UsageError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
        value = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"it cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"it is not UTF-8 text (byte {error.start})") from error
    except RecursionError as error:
        raise UsageError("it is nested too deep") from error
    except ValueError as error:
        raise UsageError(f"it is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError("it holds no JSON object")
    if not any(key in value for key in (*_STATE_KEYS, "StreamName", "ExperimentName", "script_path")):
        raise UsageError(f"it has neither StreamName nor ExperimentName nor {' nor '.join(_STATE_KEYS)}")
    return value


def _state(preset: Mapping[str, Any], origin: str, found: Found, remarks: Remarks) -> None:
    """The saved state: everything that the user has set up."""
    parts: dict[str, dict[str, Any]] = {key: _object(preset.get(key)) for key in _STATE_KEYS}
    for name, stream in parts["stream_presets"].items():
        if isinstance(stream, dict):
            kind = str(stream.get("preset_type"))
            _add_stream(found, stream_record({"stream_name": name, **stream}, kind, origin, remarks), remarks)
        else:
            remarks.lost(f"stream {name}", "its preset is no JSON object")
    for name, streams in parts["experiment_presets"].items():
        _add_experiment(found, name, streams, remarks)
    for key, script in parts["script_presets"].items():
        record = script_record(script, str(key), remarks)
        if record is not None:
            found.scripts.append(record)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _single(preset: dict[str, Any], file: Path, found: Found, remarks: Remarks) -> None:
    """A file that holds one preset."""
    if "script_path" in preset:
        record = script_record(preset, file.name, remarks)
        if record is not None:
            found.scripts.append(record)
    elif "ExperimentName" in preset:
        _add_experiment(found, preset["ExperimentName"], preset.get("PresetStreamNames"), remarks)
    else:
        _add_stream(found, _stream_file(preset, file, remarks), remarks)


def _stream_file(preset: dict[str, Any], file: Path, remarks: Remarks) -> StreamRecord | None:
    interface = _FOLDERS.get(file.resolve().parent.name.lower())
    if interface is None:
        interface = "ZMQ" if preset.get("PortNumber") is not None else "LSL"
        why = "has a PortNumber" if interface == "ZMQ" else "has no PortNumber"
        remarks.assumed(f"stream {preset.get('StreamName')}", f"that it comes over {interface}, since its preset {why}")
    return stream_record(plain_keys(preset), interface, str(file), remarks)


def _add_stream(found: Found, record: StreamRecord | None, remarks: Remarks) -> None:
    if record is None:
        return
    first = found.streams.setdefault(record.name, record)
    if first is not record:
        remarks.changed(f"stream {record.name}", f"described by {first.origin} and {record.origin}: the first is taken")


def _add_experiment(found: Found, name: object, streams: object, remarks: Remarks) -> None:
    names, listed = name_of(name), names_of(streams)
    if names is None or listed is None:
        remarks.lost(f"experiment {name}", "its name, or the list of its streams, cannot be read")
    else:
        found.experiments.setdefault(names, tuple(dict.fromkeys(listed)))


def _streams_of_experiments(paths: Iterable[Path], found: Found, remarks: Remarks) -> None:
    """Look beside the folder of an experiment preset for the streams that it names."""
    for path in paths:
        folder = path.resolve().parent
        wanted = {name for streams in found.experiments.values() for name in streams} - found.streams.keys()
        if not path.is_file() or folder.name.lower() != _EXPERIMENTS or not wanted:
            continue
        for file in _files(folder.parent):
            if file.resolve().parent.name.lower() not in _FOLDERS:
                continue
            try:
                preset = _read(file)
            except UsageError:
                continue  # the user did not name it, and it may be anything
            if preset.get("StreamName") in wanted:
                _add_stream(found, _stream_file(preset, file, remarks), remarks)
