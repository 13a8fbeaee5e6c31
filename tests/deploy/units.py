"""Reads what the files in deploy/ say: ports, and the command lines of the systemd units."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSTEMD = DEPLOY / "systemd"


def env_file(path: Path) -> dict[str, str]:
    """The settings in an environment file of systemd's."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


LINKS = "RENA_GRAPH_LINK_PORTS"


def ports() -> dict[str, str]:
    """Every port of Ray's, by name."""
    listed = env_file(DEPLOY / "ports.env")
    del listed[LINKS]
    return listed


def link_ports() -> range:
    """Where streams from other hosts come in."""
    low, _, high = env_file(DEPLOY / "ports.env")[LINKS].partition("-")
    return range(int(low), int(high) + 1)


def setting(unit: str, key: str) -> list[str]:
    """All values of a key of a unit, lines that go on put together."""
    text = re.sub(r"\\\n\s*", "", (SYSTEMD / unit).read_text())
    return [line.split("=", 1)[1] for line in text.splitlines() if line.startswith(f"{key}=")]


def exec_start(unit: str, settings: dict[str, str]) -> list[str]:
    """The command of a unit as systemd would make it of these settings.

    ``${NAME}`` stands for one word, a bare ``$NAME`` for any number.
    """
    (line,) = setting(unit, "ExecStart")
    words: list[str] = []
    for word in shlex.split(line):
        if re.fullmatch(r"\$\w+", word):
            words += shlex.split(settings[word[1:]])
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda found: settings[found[1]], word))
    return words


def writable(unit: str) -> set[str]:
    """The folders that last in which the processes of a unit may write, where ``ProtectSystem=strict`` holds."""
    folders = set()
    for key, base in (("RuntimeDirectory", "/run/"), ("StateDirectory", "/var/lib/"), ("ReadWritePaths", "")):
        folders |= {base + name for line in setting(unit, key) for name in line.split()}
    return folders


def environment(unit: str) -> dict[str, str]:
    """What a unit sets of its own."""
    return dict(pair.split("=", 1) for pair in setting(unit, "Environment"))
