"""The original's import names, with and without the original's package, in interpreters of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.limits import LIMIT


def run(code: str, *folders: Path, installed: bool = True) -> str:
    """Run code in a fresh interpreter, with our hook in place; returns what it printed."""
    head = "from rena_graph import compat\ncompat.install()\n" if installed else ""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders)), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", head + textwrap.dedent(code)],
        env=env, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A stand-in for the installed package: its packages must not be run, some of its modules may."""
    files = {
        "__init__": "raise RuntimeError('wants Qt')",
        "scripting/__init__": "raise RuntimeError('wants Qt')",
        "utils/__init__": "raise RuntimeError('wants Qt')",
        "utils/buffers": "raise RuntimeError('must not be imported for what is ours')",
        "utils/data_utils": "def theirs(): return 'from the original'\ndef get_date_string(): return 'wrong'",
        "utils/dsp": "from physiolabxr.utils.data_utils import theirs\nNAME = __name__",
        "presets/__init__": "",
        "presets/enums": "from . import other\nLSL = 'LSL'",
        "presets/other": "",
    }
    for name, code in files.items():
        path = tmp_path / "site" / "physiolabxr" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return tmp_path / "site"


NAMES = """
    from physiolabxr.scripting.RenaScript import RenaScript
    from physiolabxr.utils.buffers import DataBuffer, DataBufferSingleStream, flatten, get_fps
    from physiolabxr.utils.data_utils import get_date_string, mode_by_column, signal_generator
    from physiolabxr.utils.time_utils import get_clock_time
    from physiolabxr.rpc.decorator import rpc, async_rpc
    from rena.scripting.RenaScript import RenaScript as Old
    from rena.utils.buffers import DataBuffer as OldBuffer
    from rena.utils.general import DataBuffer as OlderBuffer
    from rena.utils.data_utils import get_date_string as old_date
    import physiolabxr.utils.buffers as module
    import rena_graph
    assert RenaScript.default_layout == "channels_first" and RenaScript.original_names
    assert Old is rena_graph.RenaScript and issubclass(RenaScript, Old)
    assert Old.default_layout == "samples_first" and not Old.original_names
    assert DataBuffer is OldBuffer is OlderBuffer is rena_graph.DataBuffer
    assert module.__name__ == "physiolabxr.utils.buffers", module.__name__
    assert get_date_string() != "wrong"
    assert [m for m in sys.modules if "qt" in m.lower()] == []
    print("all there")
"""


def test_the_names_resolve_without_the_package() -> None:
    assert run("import sys\n" + textwrap.dedent(NAMES)) == "all there"


def test_the_names_resolve_to_ours_where_the_package_is_installed(original: Path) -> None:
    assert run("import sys\n" + textwrap.dedent(NAMES), original) == "all there"


def test_other_modules_resolve_to_the_installed_package(original: Path) -> None:
    code = """
        from physiolabxr.utils.dsp import theirs, NAME
        from physiolabxr.utils.data_utils import theirs as direct
        from physiolabxr.presets.enums import LSL
        print(theirs(), direct(), NAME, LSL)
    """
    assert run(code, original) == "from the original from the original physiolabxr.utils.dsp LSL"


def test_old_names_resolve_to_the_same_module_of_the_installed_package(original: Path) -> None:
    code = """
        import sys
        import rena.presets.enums, physiolabxr.presets.enums
        for name in ("presets", "presets.enums", "presets.other"):
            module = sys.modules[f"physiolabxr.{name}"]
            assert module.__spec__.name == module.__name__ == f"physiolabxr.{name}", module.__spec__
            if name != "presets.other":
                assert sys.modules[f"rena.{name}"] is module
        from rena.utils.dsp import NAME
        print(NAME)
    """
    assert run(code, original) == "physiolabxr.utils.dsp"


def test_a_folder_named_rena_beside_the_script_is_found(tmp_path: Path) -> None:
    package = tmp_path / "rena" / "params"
    package.mkdir(parents=True)
    (package / "mine.py").write_text("X = 5")
    code = """
        from rena.params.mine import X
        from rena.scripting.RenaScript import RenaScript
        print(X, RenaScript.__module__)
    """
    assert run(code, tmp_path) == "5 rena_graph.script"


MISSING = """
    try:
        {statement}
    except {error} as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("import physiolabxr.presets.Presets", "ModuleNotFoundError"),
        ("from rena.utils.RNStream import RNStream", "ModuleNotFoundError"),
        ("from physiolabxr.utils.data_utils import RNStream", "ImportError"),
    ],
)
def test_without_the_package_the_error_says_what_to_install(statement: str, error: str) -> None:
    said = run(MISSING.format(statement=statement, error=error))
    assert "physiolabxr" in said
    if error == "ModuleNotFoundError":
        assert "pip install physiolabxr" in said
        assert "scripting.RenaScript" in said


def test_an_attribute_that_nobody_has_says_so() -> None:
    said = run("""
        import physiolabxr.utils.data_utils as utils
        try:
            utils.RNStream
        except AttributeError as error:
            print(error)
    """)
    assert "rena_graph does not bring it" in said
    assert "'physiolabxr' is not installed" in said


def test_an_installed_package_without_the_module_is_told_apart(original: Path) -> None:
    said = run(MISSING.format(statement="import physiolabxr.nothing", error="ModuleNotFoundError"), original)
    assert "the installed package 'physiolabxr' has no such module" in said


def test_without_the_hook_nothing_resolves() -> None:
    code = """
        from rena_graph import compat
        compat.install(); compat.install()
        import physiolabxr.utils.buffers
        compat.uninstall()
        import sys
        try:
            import physiolabxr
        except ModuleNotFoundError as error:
            print(error, [f for f in sys.meta_path if "rena_graph" in type(f).__module__])
    """
    assert run(code, installed=False) == "No module named 'physiolabxr' []"


CLOCK = """
    {before}
    from rena_graph import compat
    compat.set_clock(lambda: 42.0)
    {names}
    import pylsl
    from pylsl import local_clock
    print(local_clock() == 42.0, pylsl.local_clock() == 42.0, pylsl.util.local_clock() == 42.0)
    compat.uninstall()
    print(pylsl.local_clock() == 42.0)
"""


@pytest.mark.parametrize("before", ["", "import pylsl"])
@pytest.mark.parametrize(
    ("names", "ours"),
    [
        ("from physiolabxr.scripting.RenaScript import RenaScript", True),
        ("from rena.scripting.RenaScript import RenaScript", True),
        ("from rena_graph import RenaScript", False),
    ],
)
def test_pylsl_tells_graph_time_in_scripts_with_the_originals_names(before: str, names: str, ours: bool) -> None:
    assert run(CLOCK.format(before=before, names=names)) == f"{ours} {ours} {ours}\nFalse"


def test_the_originals_clock_is_graph_time() -> None:
    code = """
        from physiolabxr.utils.time_utils import get_clock_time
        from pylsl import local_clock
        assert abs(get_clock_time() - local_clock()) < 5
        compat.set_clock(lambda: 42.0)
        print(get_clock_time())
    """
    assert run(code) == "42.0"


def test_installing_imports_nothing_heavy() -> None:
    code = """
        import sys
        print([m for m in ("pylsl", "ray", "zmq", "scipy", "networkx") if m in sys.modules])
    """
    assert run(code) == "[]"
