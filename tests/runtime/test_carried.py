"""Scripts and files that have changed go again to the hosts of nodes that begin anew, and only then."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from rena_graph.errors import EnvironmentRefused
from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.coordinator.carried import CarriedCode
from rena_graph.runtime.hosts.code import Bundle
from rena_graph.runtime.hosts.layout import Layout

SCRIPT = "from rena_graph import RenaScript\nclass S(RenaScript):\n    def loop(self):\n        pass\n"


class Hosts:
    """What the agents do: each has a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.carried: list[str] = []
        self.broken = False

    async def ask_each(self, method: str, arguments: dict[str, tuple[Any, ...]]) -> dict[str, Path]:
        return {host: await self.have_at(host, method, *own) for host, own in arguments.items()}

    async def have_at(self, host: str, method: str, *arguments: Any) -> Any:
        return await getattr(self, method)(host, *arguments)

    async def has_code(self, host: str, at: str) -> bool:
        return Path(at).is_dir()

    async def place(self, host: str, bundle: Bundle, used: frozenset[str] | None = None) -> Path:
        if self.broken:
            raise EnvironmentRefused("no room")
        self.carried.append(host)
        at = bundle.place(self.folder / host)
        if used is not None:
            bundle.tidy(self.folder / host, used)
        return at

    def lying(self, host: str) -> set[str]:
        return {path.name for path in (self.folder / host / "code").iterdir()}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "a.py").write_text("import beside\n" + SCRIPT)
    (folder / "b.py").write_text(SCRIPT)
    (folder / "beside.py").write_text("X = 1\n")
    return folder


def test_what_has_changed_goes_again_before_a_life_begins(study: Path, tmp_path: Path) -> None:
    graph = graph_from_dict(
        {"version": 1, "name": "g", "nodes": {"a": {"script": "a.py"}, "b": {"script": "b.py"}}}, study
    )
    hosts, said = Hosts(tmp_path), list[tuple[str, str, str]]()
    layout = Layout("lab", {"lab": "1", "gpu": "2"}, {"a": "gpu", "b": "gpu"}, {})
    code = CarriedCode(graph, hosts, lambda *words: said.append(words))  # type: ignore[arg-type]

    def begins(node: str, epoch: int) -> bool:
        return asyncio.run(code.carry_anew(node, "gpu", epoch))

    def lies() -> Path:
        return code.moved("gpu", graph).script_path("a").parent

    asyncio.run(code.carry(layout))
    assert (begins("a", 0), begins("b", 0), begins("a", 1)) == (False, False, False)
    assert hosts.carried == ["gpu"]
    first = lies()
    (study / "beside.py").write_text("X = 2\n")
    assert begins("a", 2)
    assert (lies() / "beside.py").read_text() == "X = 2\n"
    assert hosts.lying("gpu") == {first.name, lies().name}, "b runs from the first"
    assert code.here("a", lies() / "beside.py") == study / "beside.py"
    assert code.here("b", first / "b.py") == study / "b.py"
    assert code.here("a", tmp_path / "elsewhere.py") == tmp_path / "elsewhere.py"
    assert (begins("b", 1), hosts.carried) == (False, ["gpu", "gpu"])

    # A coordinator that comes after this one goes on with it.
    after = CarriedCode(graph, hosts, lambda *words: said.append(words))  # type: ignore[arg-type]
    after.restore(code.save())
    code = after
    assert (begins("a", 3), hosts.carried) == (False, ["gpu", "gpu"])
    (study / "a.py").write_text(SCRIPT)
    hosts.broken = True
    second = lies()
    assert (begins("a", 4), lies()) == (False, second)
    assert said == [("warning", "begins with the scripts that its host has: no room", "a")]
    hosts.broken = False
    assert begins("a", 5)
    assert begins("b", 2) is False
    (study / "b.py").write_text(SCRIPT + "\n")
    assert begins("b", 3)
    assert second.name not in hosts.lying("gpu"), "nobody runs from it any more"
    shutil.rmtree(tmp_path / "gpu")
    assert begins("b", 4), "all of the host's was lost"
    assert (lies() / "b.py").is_file()


def test_the_coordinator_s_own_host_needs_nothing_carried(study: Path, tmp_path: Path) -> None:
    graph = graph_from_dict({"version": 1, "name": "g", "nodes": {"a": {"script": "a.py"}}}, study)
    hosts = Hosts(tmp_path)
    code = CarriedCode(graph, hosts, lambda *_: None)  # type: ignore[arg-type]
    asyncio.run(code.carry(Layout("lab", {"lab": "1"}, {"a": "lab"}, {})))
    assert asyncio.run(code.carry_anew("a", "lab", 3)) is False
    assert (hosts.carried, code.moved("lab", graph)) == ([], graph)
    assert code.here("a", study / "a.py") == study / "a.py"
