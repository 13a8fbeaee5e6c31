"""Nodes with packages of their own: in real runs, from a wheel made here, and every way in which that goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray

import rena_graph
from rena_graph.errors import EnvironmentRefused, ExitCode, UsageError
from rena_graph.graph.load import graph_from_dict
from rena_graph.runtime.host.environments import EnvironmentMakers
from rena_graph.runtime.hosts.environment import Wanted
from rena_graph.runtime.hosts.environment_store import NOTE, environments_dir, in_use
from rena_graph.runtime.launch.client import launch
from rena_graph.runtime.options import LaunchOptions
from tests.limits import LIMIT
from tests.runtime.live import SCRIPTS, counter, document, finish, running, told, wait_until
from tests.runtime.terminals import CTRL_C, launched_on_terminal
from tests.wheels import make_wheel


def telling(out: Path, **more: Any) -> dict[str, Any]:
    """A node that says what it imported."""
    return {"script": "tells_packages.py", "inputs": ["C"], "params": {"out": str(out)}, **more}


def environments() -> list[str]:
    """What was made here so far."""
    folder = Path(os.environ["XDG_STATE_HOME"]) / "rena_graph" / "environments"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def run_once(node: dict[str, Any], address: str, out: Path) -> tuple[dict[str, Any], str, Path]:
    """What the node said, what was said of it, and the run's folder."""
    with running(document({"C": counter(100, samples=20)}, {"x": node}), address) as run:
        needed = in_use()
        finish(run)
        assert Path(json.loads(out.read_text())["python"]).parents[1].name in needed
        return json.loads(out.read_text()), told(run), run.folder


def empty_environment(path: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(path)], check=True, timeout=LIMIT)
    return path


def packages_of(environment: Path) -> Path:
    return environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


@pytest.mark.ray
@pytest.mark.timeout(180)
def test_packages_are_installed_once_and_the_node_has_the_ray_and_rena_graph_of_the_run(
    ray_address: str, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    out = tmp_path / "out.json"
    node = telling(out, pip=[f"rgt-extra @ {wheel.as_uri()}"])
    said, log, folder = run_once(node, ray_address, out)
    assert said["version"] == "1.0"
    assert said["ray"] == ray.__version__
    assert said["rena_graph"] == rena_graph.__file__
    assert Path(said["python"]).parents[1].name in environments()
    assert Path(said["file"]).is_relative_to(Path(said["python"]).parents[1])
    assert "installing packages for node x on host" in log
    assert "1 installed" in log
    noted = json.loads((folder / "provenance.json").read_text())["nodes"]["x"]["environment"]
    assert (noted["python"], noted["packages"]) == (said["python"], {"rgt-extra": "1.0"})
    before = environments()
    again, log, _ = run_once(node, ray_address, out)
    assert again == said
    assert "was there" in log
    assert environments() == before


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_requirements_file_and_an_environment_that_is_there_go_together(ray_address: str, tmp_path: Path) -> None:
    """pip's wheel goes before the environment's packages, and these before the host's own."""
    study = tmp_path / "study"
    study.mkdir()
    make_wheel(tmp_path / "wheels", "2.0")
    (study / "needs.txt").write_text(f"--no-index\n--find-links {tmp_path / 'wheels'}\nrgt-extra >= 1.5  # ours\n")
    environment = empty_environment(tmp_path / "env")
    (packages_of(environment) / "rgt_extra.py").write_text("VERSION = 'of the environment'\n")
    (study / "tells_packages.py").write_text((SCRIPTS / "tells_packages.py").read_text())
    out = tmp_path / "out.json"
    for more, version in (
        ({"environment": str(environment)}, "of the environment"),
        ({"environment": str(environment / "bin" / "python"), "pip": "needs.txt"}, "2.0"),
    ):
        doc = document({"C": counter(100, samples=20)}, {"x": telling(out, **more)})
        with launch(graph_from_dict(doc, study), LaunchOptions(address=ray_address)) as run:
            run.start()
            finish(run)
        assert json.loads(out.read_text())["version"] == version
    assert not (packages_of(environment) / "_rena_graph.pth").exists(), "what is somebody else's is not written to"


@pytest.mark.ray
@pytest.mark.timeout(180)
def test_what_pip_cannot_install_ends_the_run_before_it_begins_and_says_where(ray_address: str, tmp_path: Path) -> None:
    before = environments()
    nodes = {
        "x": telling(tmp_path / "out.json", pip=[f"rgt-extra @ file://{tmp_path}/none.whl"]),
        "y": telling(tmp_path / "out.json", environment=str(tmp_path / "no-env")),
        "other": {"script": "relay.py", "inputs": [{"stream": "C", "as": "in"}]},
    }
    graph = graph_from_dict(document({"C": counter(100, samples=20)}, nodes), SCRIPTS)
    with launch(graph, LaunchOptions(address=ray_address)) as run, pytest.raises(EnvironmentRefused) as refused:
        run.start()
    text = str(refused.value)
    assert refused.value.exit_code is ExitCode.ENVIRONMENT
    assert "node x on host " in text
    assert "pip ended with 1" in text
    assert "none.whl" in text
    assert f"there is no Python environment {tmp_path / 'no-env'}" in text
    assert environments() == before


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_stop_while_packages_are_installed_ends_pip_and_the_run(ray_address: str, tmp_path: Path) -> None:
    """The wheel is a pipe that nobody writes to: pip reads for ever."""
    wheel = tmp_path / "rgt_extra-3.0-py3-none-any.whl"
    os.mkfifo(wheel)
    node = telling(tmp_path / "out.json", pip=[f"rgt-extra @ {wheel.as_uri()}"])
    graph = graph_from_dict(document({"C": counter(100, samples=20)}, {"x": node}), SCRIPTS)
    doing: list[str] = []
    pips: list[psutil.Process] = []

    def look() -> None:
        pips[:] = pips or installing(wheel)
        if pips and any("installing packages for node x on host" in text for text in doing):
            run.stop()

    with launch(graph, LaunchOptions(address=ray_address)) as run:
        run.start(doing.append, look)
        finish(run)
    gone, alive = psutil.wait_procs(pips, LIMIT)
    assert not alive
    assert gone


@pytest.mark.ray
@pytest.mark.long
@pytest.mark.timeout(300)
def test_ctrl_c_while_packages_are_installed_ends_the_launch_in_good_order(ray_address: str, tmp_path: Path) -> None:
    """On a terminal, whose Ctrl-C goes to all that is in front there; pip is not, and ends all the same."""
    wheel = tmp_path / "rgt_extra-3.1-py3-none-any.whl"
    os.mkfifo(wheel)
    script = (SCRIPTS / "tells_packages.py").read_text()
    (tmp_path / "tells_packages.py").write_text(script)
    node = telling(tmp_path / "out.json", pip=[f"rgt-extra @ {wheel.as_uri()}"])
    path, name = tmp_path / "graph.json", "ctrl-c-in-pip"
    path.write_text(json.dumps({**document({"C": counter(100)}, {"x": node}), "name": name}))
    before = environments()
    with launched_on_terminal(name, path, "--address", ray_address) as terminal:
        terminal.until("installing packages for node x on host")
        pips = wait_until(lambda: installing(wheel), what="pip")
        terminal.type(CTRL_C)
        terminal.until("stopping; Ctrl-C kills at once")
        assert terminal.end() == ExitCode.OK
        assert "Traceback" not in terminal.shown
        assert terminal.outcome()["ran"] is False
    _, alive = psutil.wait_procs(pips, LIMIT)
    assert not alive
    # What pip had begun is made anew when somebody wants it.
    begun = set(environments()) - set(before)
    assert not [name for name in begun if (environments_dir() / name / NOTE).exists()]
    assert not in_use()


def installing(wheel: Path) -> list[psutil.Process]:
    """The processes of pip that install this; pip is told in a file, which names it."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "pip" in words and "install" in words:
            asked = Path(words[words.index("-r") + 1])
            if asked.is_file() and str(wheel) in asked.read_text():
                found.append(process)
    return found


def test_a_node_under_debug_has_no_packages_of_its_own(tmp_path: Path) -> None:
    graph = graph_from_dict(document({"C": counter(100)}, {"x": telling(tmp_path / "o", pip=["rgt-extra"])}), SCRIPTS)
    with pytest.raises(UsageError, match="packages of its own"):
        launch(graph, LaunchOptions(debug="x"))


# -- one environment, without a run --------------------------------------------------------------------
def refusal(wanted: Wanted, makers: EnvironmentMakers | None = None) -> str:
    with pytest.raises(EnvironmentRefused) as refused:
        (makers or EnvironmentMakers()).make(wanted)
    return str(refused.value)


def test_an_environment_with_another_ray_is_refused(tmp_path: Path) -> None:
    environment = empty_environment(tmp_path / "env")
    fake = packages_of(environment) / "ray-0.1.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: ray\nVersion: 0.1\n")
    assert f"ray 0.1, and the run has {ray.__version__}" in refusal(Wanted(environment=str(environment)))


def test_an_environment_in_which_a_node_cannot_be_imported_is_refused_with_the_reason(tmp_path: Path) -> None:
    environment = empty_environment(tmp_path / "env")
    (packages_of(environment) / "msgpack.py").write_text("raise RuntimeError('an old one')\n")
    text = refusal(Wanted(environment=str(environment)))
    assert "a node cannot run with these packages" in text
    assert "an old one" in text


def test_what_is_no_python_is_refused(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho this is no Python >&2; exit 3\n")
    python.chmod(0o755)
    assert "this is no Python" in refusal(Wanted(environment=str(python)))
    python.write_text('#!/bin/sh\necho \'["3.1", [], "old"]\'\n')
    assert "is of Python 3.1, and the run is of" in refusal(Wanted(environment=str(python)))


def test_pip_may_not_bring_what_rena_graph_cannot_run_with(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, needs=("numpy<1",))
    text = refusal(Wanted(f"--no-index\nrgt-extra @ {wheel.as_uri()}\n"))
    assert "pip ended with 1" in text
    assert "numpy" in text


def test_what_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    wanted = Wanted(f"rgt-extra @ {make_wheel(tmp_path, '4.0').as_uri()}\n")
    made = EnvironmentMakers().make(wanted)
    assert not made.cached
    root = Path(made.python).parents[1]
    (root / "rena-graph.json").unlink()
    (packages_of(root) / "rgt_extra.py").unlink()
    again = EnvironmentMakers().make(wanted)
    assert (again.python, again.cached) == (made.python, False)
    assert (packages_of(root) / "rgt_extra.py").is_file()
    assert EnvironmentMakers().make(wanted).cached


def test_pip_ends_with_what_has_it_run_even_where_that_is_killed_alone(tmp_path: Path) -> None:
    """As Ray does with the children of an actor."""
    wheel = tmp_path / "rgt_extra-7.0-py3-none-any.whl"
    os.mkfifo(wheel)
    makers = EnvironmentMakers()
    failed: list[str] = []
    thread = threading.Thread(target=lambda: failed.append(refusal(Wanted(f"rgt-extra @ {wheel.as_uri()}\n"), makers)))
    thread.start()
    pips = wait_until(lambda: installing(wheel), what="pip")
    pips[0].parent().kill()
    thread.join(LIMIT)
    assert not psutil.wait_procs(pips, LIMIT)[1]
    assert "ended with -9" in failed[0]


def test_makers_that_are_closed_end_and_begin_no_more(tmp_path: Path) -> None:
    wheel = tmp_path / "rgt_extra-5.0-py3-none-any.whl"
    os.mkfifo(wheel)
    makers = EnvironmentMakers()
    failed: list[str] = []
    thread = threading.Thread(target=lambda: failed.append(refusal(Wanted(f"rgt-extra @ {wheel.as_uri()}\n"), makers)))
    thread.start()
    pips = wait_until(lambda: installing(wheel), what="pip")
    makers.close()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert not psutil.wait_procs(pips, LIMIT)[1]
    assert failed
    with pytest.raises(EnvironmentRefused, match="the run ends"):
        makers.make(Wanted())
