"""Which classes a script is said to have, and from where scripts may come."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rena_graph.errors import GraphInvalid
from rena_graph.graph.load import graph_from_dict
from rena_graph.graph.script_outline import outline_script

GOOD = "from rena_graph import RenaScript\nclass A(RenaScript):\n    def loop(self): pass\n"


def classes(code: str) -> list[str]:
    return [name for name, _ in outline_script(code.encode()).classes]


@pytest.mark.parametrize(
    "code",
    [
        "import rena_graph\nclass A(rena_graph.RenaScript): pass",
        "import rena_graph as rg\nclass A(rg.RenaScript): pass",
        "import rena_graph.script\nclass A(rena_graph.script.RenaScript): pass",
        "import rena_graph.script as s\nclass A(s.RenaScript): pass",
        "from rena_graph import RenaScript\nclass A(RenaScript): pass",
        "from rena_graph.script import RenaScript as R\nclass A(R): pass",
        "from rena_graph import *\nclass A(RenaScript): pass",
        "from rena_graph import script\nclass A(script.RenaScript): pass",
        "from rena.scripting.RenaScript import RenaScript\nclass A(RenaScript): pass",
        "from physiolabxr.scripting.RenaScript import RenaScript\nclass A(RenaScript): pass",
        "import physiolabxr.scripting.RenaScript as m\nclass A(m.RenaScript): pass",
        "from physiolabxr.scripting import RenaScript as m\nclass A(m.RenaScript): pass",
        "from rena_graph import RenaScript\nBase = RenaScript\nclass A(Base): pass",
        "from rena_graph import RenaScript\nclass Base(RenaScript): pass\nclass A(Base): pass",
        "from rena_graph import RenaScript\nclass M: pass\nclass A(M, RenaScript): pass",
        "try:\n    from rena_graph import RenaScript\nexcept ImportError:\n"
        "    from physiolabxr.scripting.RenaScript import RenaScript\nclass A(RenaScript): pass",
        "import sys\nfrom rena_graph import RenaScript\nif sys.platform:\n    class A(RenaScript): pass\n"
        "else:\n    class A(RenaScript): x = 1",
        "from rena_graph import RenaScript\nfrom abc import ABC\nclass A(RenaScript, ABC): pass\nclass B(ABC): pass",
    ],
)
def test_one_class_is_found(code: str) -> None:
    outline = outline_script(code.encode())
    assert [name for name, _ in outline.classes] == ["A"]
    assert outline.unsure == ()


def test_none_and_several() -> None:
    assert classes("class A: pass\nclass RenaScript: pass\nclass B(RenaScript): pass") == []
    assert classes("from rena_graph import RenaScript\ndef f():\n    class A(RenaScript): pass") == []
    assert classes("from rena_graph import RenaScript") == []
    assert classes(GOOD + "class B(RenaScript): pass") == ["A", "B"]
    assert classes(GOOD + "class B(A): pass\nclass C(A): pass") == ["B", "C"]


def test_classes_that_derive_from_one_another_in_a_circle_end() -> None:
    assert classes("class A(B): pass\nclass B(A): pass") == []


@pytest.mark.parametrize(
    "code",
    ["from lab import Base\nclass A(Base): pass", "from lab import *\nclass A(Base): pass", "class A(f()): pass"],
)
def test_bases_from_elsewhere_are_left_open(code: str) -> None:
    outline = outline_script(code.encode())
    assert outline.classes == ()
    assert [name for name, _ in outline.unsure] == ["A"]


def test_a_mixin_from_elsewhere_does_not_hide_the_script() -> None:
    outline = outline_script(b"from lab import M\nfrom rena_graph import RenaScript\nclass A(M, RenaScript): pass")
    assert outline.classes == (("A", 3),)


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (b"x = 1\nreturn 2\n", 2), (b"x = (\n", 1), (b"\n\nx = '\xff'\n", None), (b"# coding: nonsense\n", None),
        (b"a\n" * 3 + b"b\0", 4), (b"x = " + b"(" * 100_000, 1),
    ],
)  # fmt: skip
def test_what_python_refuses_is_a_syntax_error(code: bytes, line: int | None) -> None:
    with pytest.raises(SyntaxError) as refused:
        outline_script(code)
    assert line is None or refused.value.lineno == line


def test_what_python_only_warns_of_passes() -> None:
    assert classes(GOOD + "x = '\\d'\nif x is 'd': pass\n") == ["A"]


def load(folder: Path, script: str, *allowed: Path) -> str | None:
    """The code of the first problem, or None where there is none."""
    node = {"script": script, "outputs": {"x": {"channels": 1, "to": {"lsl": {}}}}}
    try:
        graph_from_dict({"version": 1, "name": "g", "nodes": {"a": node}}, folder, allow_code=allowed)
    except GraphInvalid as invalid:
        return invalid.problems[0].code
    return None


def test_code_from_outside_needs_leave(tmp_path: Path) -> None:
    folder, lab = tmp_path / "graph", tmp_path / "lab"
    (folder / "scripts").mkdir(parents=True)
    lab.mkdir()
    (lab / "good.py").write_text(GOOD)
    (folder / "scripts" / "in.py").write_text(GOOD)
    (folder / "link.py").symlink_to(lab / "good.py")
    (folder / "linked").symlink_to(lab)
    (folder / "inner.py").symlink_to("scripts/in.py")
    for inside in ("scripts/in.py", "scripts/../inner.py", str(folder / "scripts" / "in.py")):
        assert load(folder, inside) is None
    for outside in ("../lab/good.py", str(lab / "good.py"), "link.py", "linked/good.py", "../lab/missing.py"):
        assert load(folder, outside) == "G503"
    for allowed in ("../lab/good.py", str(lab / "good.py"), "link.py", "linked/good.py"):
        assert load(folder, allowed, lab) is None
    assert load(folder, "../lab/missing.py", lab) == "G501"
    assert load(folder, "../lab/good.py", tmp_path / "la") == "G503"  # a folder, not a beginning of its name
    linked = tmp_path / "way"
    linked.symlink_to(folder)
    assert load(linked, "scripts/in.py") is None


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "loop.py").symlink_to("loop.py")
    os.mkfifo(tmp_path / "fifo.py")
    (tmp_path / "large.py").write_bytes(b"#" * 5_000_001)
    (tmp_path / "file").write_text("")
    assert load(tmp_path, "fifo.py") == "G502"  # opening it would block for ever
    assert load(tmp_path, "large.py") == "G502"
    assert load(tmp_path, ".") == "G502"
    assert load(tmp_path, "file/x.py") == "G501"
    assert load(tmp_path, "x" * 300 + ".py") in ("G501", "G502")
    assert load(tmp_path, "loop.py") in ("G501", "G502")


def test_a_script_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text(GOOD)
    assert load(tmp_path, "a.py") is None
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    assert load(tmp_path, "a.py") == "G502"
