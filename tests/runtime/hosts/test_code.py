"""What of a graph's files goes to other hosts, and how it lies there."""

from __future__ import annotations

import pickle
import stat
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rena_graph.errors import EnvironmentRefused, GraphError
from rena_graph.graph.load import graph_from_dict
from rena_graph.graph.model import Graph
from rena_graph.graph.script_imports import modules_beside_script
from rena_graph.runtime.hosts import code
from rena_graph.runtime.hosts.code import Bundle, pack
from rena_graph.runtime.node.script_loader import load_script

SCRIPT = """
from rena_graph import RenaScript
{imports}

class Script(RenaScript):
    def loop(self):
        pass
"""


def study(folder: Path, contents: dict[str, str], **document: Any) -> Graph:
    """A graph of one node with these files beside it; the script is ``scripts/a.py``."""
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    nodes = document.pop("nodes", {"a": {"script": "scripts/a.py"}})
    return graph_from_dict({"version": 1, "name": "g", "nodes": nodes, **document}, folder)


def paths(bundle: Bundle) -> list[str]:
    return [file.path for file in bundle.files]


def test_scripts_what_they_import_and_the_listed_files_go_and_nothing_else(tmp_path: Path) -> None:
    files = {
        "scripts/a.py": SCRIPT.format(imports="import numpy, helpers\nfrom tools.deep import thing"),
        "scripts/helpers.py": "def f():\n    import late\n    return late.VALUE\n",
        "scripts/late.py": "VALUE = 1\n",
        "scripts/tools/__init__.py": "",
        "scripts/tools/deep/__init__.py": "from .. import sibling\n",
        "scripts/tools/deep/thing.py": "",
        "scripts/tools/sibling.py": "",
        "scripts/tools/unused.py": "",
        "scripts/other.py": "",
        "models/net.bin": "weights",
        "models/.cache": "hidden",
        "settings.json": "{}",
        "participants.csv": "secret",
    }
    bundle = pack(study(tmp_path, files, files=["models", "settings.json"]))
    assert paths(bundle) == [
        "models/net.bin", "scripts/a.py", "scripts/helpers.py", "scripts/late.py", "scripts/tools/__init__.py",
        "scripts/tools/deep/__init__.py", "scripts/tools/deep/thing.py", "scripts/tools/sibling.py", "settings.json",
    ]  # fmt: skip
    assert (bundle.folder, dict(bundle.scripts)) == (".", {"a": "scripts/a.py"})


def test_it_runs_where_it_lands_for_the_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    files = {"scripts/a.py": SCRIPT.format(imports="import beside_a"), "scripts/beside_a.py": "VALUE = 7\n"}
    graph = study(
        tmp_path / "here",
        {**files, "net.bin": "x"},
        files=["net.bin"],
        streams={"R": {"from": {"recording": {"path": "data/r.npz"}}, "host": "lab"}},
    )
    bundle = pickle.loads(pickle.dumps(pack(graph)))
    there = bundle.place(tmp_path / "there")
    assert there == tmp_path / "there" / "code" / bundle.digest
    for path in [there, *there.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    moved = bundle.moved(graph, there)
    assert load_script(moved.script_path("a"), "a").__name__ == "Script"
    assert moved.script_path("a").is_relative_to(there)
    assert (moved.folder / "net.bin").read_text() == "x"
    assert moved.recording_path("R") == tmp_path / "here" / "data" / "r.npz"
    assert graph.script_path("a") == tmp_path / "here" / "scripts" / "a.py", "the graph itself is as it was"


def test_it_lies_there_once_and_is_mended(tmp_path: Path) -> None:
    bundle = pack(study(tmp_path / "here", {"scripts/a.py": SCRIPT.format(imports="")}))
    there = bundle.place(tmp_path)
    script = there / "scripts" / "a.py"
    before = script.stat().st_ino
    assert bundle.place(tmp_path) == there
    assert script.stat().st_ino == before
    script.write_text("changed")
    assert bundle.place(tmp_path) == there
    assert script.read_bytes() == bundle.files[0].content
    assert [path.name for path in there.parent.iterdir()] == [bundle.digest]
    (there / "results.csv").write_text("1")
    bundle.place(tmp_path, {str(there)})
    assert (there / "results.csv").exists(), "a node runs from it"
    bundle.place(tmp_path)
    assert not (there / "results.csv").exists()


def test_code_from_an_allowed_folder_keeps_its_place_beside_the_graph(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "shared.py").write_text(SCRIPT.format(imports=""))
    (tmp_path / "study").mkdir()
    document = {"version": 1, "name": "g", "nodes": {"a": {"script": "../lab/shared.py"}}}
    graph = graph_from_dict(document, tmp_path / "study", allow_code=[tmp_path / "lab"])
    bundle = pack(graph)
    assert paths(bundle) == ["lab/shared.py"]
    there = bundle.place(tmp_path / "there")
    moved = bundle.moved(graph, there)
    assert moved.script_path("a").is_file()
    assert moved.folder == there / "study"


def test_a_link_out_of_the_folder_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "study"
    graph = study(folder, {"scripts/a.py": SCRIPT.format(imports=""), "models/ok": ""}, files=["models"])
    (folder / "models" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(GraphError, match=r"models/link\) is outside of the graph's folder.*--allow-code"):
        pack(graph)
    bundle = pack(replace(graph, allow_code=(tmp_path,)))
    assert {file.path: file.content for file in bundle.files}["models/link"] == b"secret"
    (folder / "models" / "link").unlink()
    (folder / "scripts" / "linked.py").symlink_to(tmp_path / "secret")
    (folder / "scripts" / "a.py").write_text("import linked")
    with pytest.raises(GraphError, match=r"what a\.py imports"):
        pack(graph)


def test_too_much_is_refused_with_what_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"scripts/a.py": SCRIPT.format(imports=""), "net.bin": "x" * 3_000_000, "small": ""}
    graph = study(tmp_path, files, files=["net.bin", "small"])
    pack(graph)
    monkeypatch.setattr(code, "MAX_BUNDLE_BYTES", 2**20)
    with pytest.raises(GraphError, match=r"2\.9 MiB, at most 1 MiB.*largest are .*net\.bin \(2\.9 MiB\)"):
        pack(graph)
    monkeypatch.setattr(code, "MAX_BUNDLE_FILES", 2)
    with pytest.raises(GraphError, match="3 files"):
        pack(graph)


def test_what_went_since_the_check_is_said(tmp_path: Path) -> None:
    graph = study(tmp_path, {"scripts/a.py": SCRIPT.format(imports=""), "t.csv": ""}, files=["t.csv"])
    (tmp_path / "t.csv").unlink()
    with pytest.raises(GraphError, match=r"t\.csv\) cannot be taken to other hosts: there is no"):
        pack(graph)


@pytest.mark.parametrize("path", ["../a.py", "/etc/passwd", "a/../../b", "a//b", "./a", "", ".", "a\0b", "scripts"])
def test_a_path_that_leads_elsewhere_is_refused_where_it_lands(path: str, tmp_path: Path) -> None:
    bundle = pack(study(tmp_path / "here", {"scripts/a.py": SCRIPT.format(imports="")}))
    bad = replace(bundle, files=(*bundle.files, replace(bundle.files[0], path=path)))
    with pytest.raises(EnvironmentRefused, match="no path"):
        bad.place(tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_what_did_not_arrive_as_it_was_sent_is_refused(tmp_path: Path) -> None:
    bundle = pack(study(tmp_path / "here", {"scripts/a.py": SCRIPT.format(imports="")}))
    file = bundle.files[0]
    with pytest.raises(EnvironmentRefused, match="did not arrive"):
        replace(bundle, files=(replace(file, content=file.content + b" "),)).place(tmp_path)
    with pytest.raises(EnvironmentRefused, match="twice"):
        replace(bundle, files=(file, file)).place(tmp_path)


def test_a_folder_that_cannot_be_written_is_the_machines_fault(tmp_path: Path) -> None:
    bundle = pack(study(tmp_path / "here", {"scripts/a.py": SCRIPT.format(imports="")}))
    (tmp_path / "code").write_text("a file where the folder is to be")
    with pytest.raises(EnvironmentRefused, match="cannot be written to"):
        bundle.place(tmp_path)


NAMES = st.from_regex(r"[a-z]{1,3}(\.py)?", fullmatch=True)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.text(max_size=20), min_size=1, max_size=6
)


@given(tree=TREES, data=st.data())
def test_any_tree_arrives_as_it_was(tree: dict[str, str], data: st.DataObject, tmp_path_factory: Any) -> None:
    folders = {str(parent) for name in tree for parent in PurePosixPath(name).parents}
    tree = {name: text for name, text in tree.items() if name not in folders}
    base = tmp_path_factory.mktemp("tree")
    listed = data.draw(st.permutations([f"f/{name}" for name in tree]))
    graph = study(
        base / "here",
        {**{f"f/{name}": text for name, text in tree.items()}, "a.py": SCRIPT.format(imports="")},
        nodes={"a": {"script": "a.py"}},
        files=listed,
    )
    bundle = pack(graph)
    assert pack(replace(graph)).digest == bundle.digest
    there = bundle.place(base)
    found = {str(p.relative_to(there)) for p in there.rglob("*") if p.is_file()}
    assert found == {"a.py", *listed}
    for name, text in tree.items():
        assert (there / "f" / name).read_bytes() == (base / "here" / "f" / name).read_bytes()
        assert (there / "f" / name).read_bytes().decode() == text


def test_imports_are_found_as_python_would(tmp_path: Path) -> None:
    for name in ["pkg/__init__.py", "pkg/a.py", "mod.py", "space/inner.py", "both.py", "both/x.py", "ext.abi3.so"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    script = tmp_path / "s.py"

    def of(text: str) -> list[str]:
        script.write_text(text)
        return [str(path.relative_to(tmp_path)) for path in modules_beside_script(script)]

    assert of("import pkg") == ["pkg/__init__.py"]
    assert of("from pkg import *") == ["pkg/__init__.py"]
    assert of("from pkg import a, b") == ["pkg/__init__.py", "pkg/a.py"]
    assert of("try:\n    import pkg.a as q\nexcept ImportError:\n    import mod") == [
        "mod.py", "pkg/__init__.py", "pkg/a.py",
    ]  # fmt: skip
    assert of("import space.inner") == ["space/inner.py"]
    assert of("import both") == ["both.py"], "a module comes before a folder without __init__.py"
    assert of("import ext") == ["ext.abi3.so"]
    assert of("from . import mod") == [], "a script is in no package"
    assert of("import s, os, numpy.fft, gone.away") == []
    assert of("import (") == []
