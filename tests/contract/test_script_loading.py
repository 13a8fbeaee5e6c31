"""From a script's file to its object: what is taken, and what its author is told otherwise."""

from __future__ import annotations

import logging
import pickle
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rena_graph.errors import ScriptLoadError
from rena_graph.runtime.node.script_loader import format_user_error, instantiate, load_script
from rena_graph.script import RenaScript, ScriptContext
from rena_graph.streams.inputs import Inputs
from rena_graph.streams.outputs import Outputs
from rena_graph.streams.params import Params

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a script; afterwards nothing of it is left in the interpreter."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    modules = set(sys.modules)

    def write(code: str, name: str = "script.py") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(code))
        return path

    yield write
    for name in set(sys.modules) - modules:
        if name.startswith(("rena_script_", "sibling")):
            del sys.modules[name]


def context() -> ScriptContext:
    return ScriptContext(Inputs([]), Outputs([]), Params(), lambda: 5.0, node="n")


GOOD = """
from rena_graph import RenaScript

class Mine(RenaScript):
    def __init__(self, *args, **kwargs):
        self.before = 1
        super().__init__(*args, **kwargs)
        self.after = 2

    def loop(self):
        pass
"""


def test_the_one_class_is_found(write: Write) -> None:
    script = load_script(write(GOOD), "my node")
    assert script.__name__ == "Mine"
    made = instantiate(script, context())
    assert isinstance(made, RenaScript)
    assert (made.before, made.after) == (1, 2)  # type: ignore[attr-defined]
    assert made.local_clock() == 5.0


def test_two_nodes_of_one_script_share_nothing(write: Write) -> None:
    path = write(GOOD)
    assert load_script(path, "a") is not load_script(path, "b")


def test_objects_of_a_script_can_be_pickled(write: Write) -> None:
    script = load_script(write(GOOD + "\nclass Helper:\n    x = 1\n"), "n")
    helper = sys.modules[script.__module__].Helper()
    assert pickle.loads(pickle.dumps(helper)).x == 1


def test_what_lies_beside_the_script_can_be_imported(write: Write) -> None:
    write("FACTOR = 42", "sibling_a.py")
    script = load_script(write("import sibling_a\n" + GOOD), "n")
    assert sys.modules[script.__module__].sibling_a.FACTOR == 42


def test_an_imported_class_does_not_count(write: Write) -> None:
    write(GOOD, "sibling_base.py")
    script = load_script(write("from sibling_base import Mine\nclass Theirs(Mine):\n    pass"), "n")
    assert script.__name__ == "Theirs"


def test_a_base_in_the_same_file_does_not_count(write: Write) -> None:
    script = load_script(write(GOOD + "\nclass Special(Mine):\n    pass\n"), "n")
    assert script.__name__ == "Special"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1", "defines no subclass of RenaScript: it defines no class"),
        ("class Loose:\n    pass", "it defines Loose"),
        ("from rena_graph import RenaScript", "it defines no class"),
        (GOOD + GOOD.replace("Mine", "Other"), r"defines 2 subclasses.*Mine \(line 4\), Other \(line 15\)"),
        ("from rena_graph import RenaScript\nclass A(RenaScript):\n    pass", r"A has no loop\(\)"),
        ("import no_such_thing_at_all", "(?s)line 1.*ModuleNotFoundError.*Install 'no_such_thing_at_all'"),
        ("\n\nx = 1 +\n", r"(?s)script\.py\", line 3.*SyntaxError"),
        ("x = 1\nraise SystemExit(3)", "(?s)line 2.*must not end the process"),
        ("def f():\n    return 1 / 0\nf()\n", "(?s)line 3, in <module>.*line 2, in f.*ZeroDivisionError"),
        ("x = '\0'", "(?s)cannot load.*null bytes"),
    ],
)
def test_what_is_refused(write: Write, code: str, said: str) -> None:
    path = write(code)
    before = set(sys.modules)
    with pytest.raises(ScriptLoadError, match=said) as caught:
        load_script(path, "filter")
    assert str(caught.value).startswith("node 'filter': ")
    assert str(path) in str(caught.value)
    assert not any(name.startswith("rena_script_") for name in set(sys.modules) - before)
    assert "importlib" not in str(caught.value)
    assert "script_loader" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_imported_scripts_are_named_where_none_is_defined(write: Write) -> None:
    write(GOOD, "sibling_other.py")
    with pytest.raises(ScriptLoadError, match="it defines no class, and imports Mine"):
        load_script(write("from sibling_other import Mine"), "n")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ScriptLoadError, match=r"cannot load .*gone\.py: No such file"):
        load_script(tmp_path / "gone.py", "n")


def test_bytes_that_are_no_text(write: Write) -> None:
    path = write("")
    path.write_bytes(b"x = '\xff\xfe'\n")
    with pytest.raises(ScriptLoadError, match="utf-8"):
        load_script(path, "n")


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ("def __init__(self, *args, **kwargs): pass", r"does not call super\(\).__init__\(\*args, \*\*kwargs\)"),
        ("def __init__(self, *args, **kwargs): super().__init__()", r"made without a context.*super\(\).__init__"),
        ("def __init__(self): pass", r"must take \(self, \*args, \*\*kwargs\)"),
        ("def __init__(self, model, **kwargs): pass", r"must take \(self, \*args, \*\*kwargs\)"),
        ("def __init__(self, *args, **kwargs): 1 / 0", "(?s)__init__ failed.*line 5, in __init__.*ZeroDivision"),
        ("def __init__(self, *args, **kwargs): raise SystemExit", "(?s)__init__ failed.*SystemExit"),
    ],
)
def test_an_init_that_does_not_do(write: Write, init: str, said: str) -> None:
    head = "from rena_graph import RenaScript\n\nclass A(RenaScript):\n    # its own\n"
    code = f"{head}    {init}\n    def loop(self): pass\n"
    script = load_script(write(code), "n")
    with pytest.raises(ScriptLoadError, match=said) as caught:
        instantiate(script, context())
    assert "node 'n': A in " in str(caught.value)


def test_methods_marked_for_rpc_are_told(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    code = GOOD.replace("    def loop", "    @rpc\n    def Train(self): return 1\n\n    def loop")
    script = load_script(write("from rena_graph.compat.rpc import rpc\n" + code), "n")
    with caplog.at_level(logging.WARNING):
        instantiate(script, context())
    assert "not possible yet: Train" in caplog.text


def raised(write: Write, body: str) -> tuple[BaseException, Path]:
    """What a script's loop raises, called through a frame of ours."""
    code = f"""
    from rena_graph import RenaScript
    import json

    class Mine(RenaScript):
        def helper(self):
            {body}

        def loop(self):
            self.helper()
    """
    path = write(code)
    made = instantiate(load_script(path, "n"), context())
    with pytest.raises(Exception) as caught:
        made.loop()
    return caught.value, path


def test_only_the_authors_frames_are_shown(write: Write) -> None:
    error, path = raised(write, "self.inputs['EEG']")
    text = format_user_error(error, path)
    assert text.startswith("Traceback (most recent call last):\n")
    assert f'"{path}", line 10, in loop' in text
    assert f'"{path}", line 7, in helper' in text
    assert "no input is named 'EEG'" in text
    assert "rena_graph/streams" not in text
    assert "test_script_loading" not in text


def test_frames_of_libraries_below_the_script_are_shown(write: Write) -> None:
    error, path = raised(write, "json.loads('{')")
    text = format_user_error(error, path)
    assert "json" in text
    assert "in helper" in text


def test_causes_are_treated_alike(write: Write) -> None:
    error, path = raised(write, "raise ValueError('outer') from self.params.apply({'x': 1})")
    text = format_user_error(error, path)
    assert "there is no parameter 'x'" in text
    assert "rena_graph/streams" not in text


def test_endless_recursion_is_shown_short(write: Write) -> None:
    error, path = raised(write, "self.helper()")
    assert isinstance(error, RecursionError)
    assert len(format_user_error(error, path).splitlines()) < 60


def test_an_error_without_a_frame_of_the_author_is_shown_all_the_same(tmp_path: Path) -> None:
    text = format_user_error(ValueError("no frames"), tmp_path / "script.py")
    assert "ValueError: no frames" in text
