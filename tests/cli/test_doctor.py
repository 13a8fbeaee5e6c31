"""``doctor``: what it finds, what it says to do, and its exit code."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from rena_graph.cli import doctor
from rena_graph.cli.examine import exposure, machine, services, software
from rena_graph.cli.examine.finding import Finding, fail, ok, warn
from rena_graph.cli.version import PACKAGES, versions
from rena_graph.errors import EnvironmentRefused, ExitCode, MissingExtra
from tests.cli.running import run_cli


@pytest.mark.lsl
def test_a_healthy_machine_passes() -> None:
    done = run_cli("doctor", "--json")
    found = {finding["what"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0, found
    assert done.stderr == ""
    assert {"python", "ray", "liblsl", "shared memory", "rings", "open files", "loopback", "LSL"} <= set(found)
    assert found["LSL"]["verdict"] == "ok"
    assert all((finding["remedy"] is None) == (finding["verdict"] == "ok") for finding in found.values())


@pytest.mark.parametrize(
    ("findings", "code", "last"),
    [
        ([ok("a", "1")], ExitCode.OK, "All is well."),
        ([ok("a", "1"), warn("b", "2", "do b")], ExitCode.OK, "Runs work; 1 to look at."),
        ([fail("c", "3", "do c"), warn("b", "2", "do b")], ExitCode.ENVIRONMENT, "1 failed, 1 to look at."),
    ],
)
def test_its_exit_code_and_last_line(
    findings: list[Finding], code: int, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda with_ray: iter(findings))
    result = CliRunner().invoke(doctor.command)
    assert result.exit_code == code
    assert result.output.splitlines()[-1] == last
    for finding in findings:
        if finding.remedy:
            assert f"      → {finding.remedy}" in result.output.splitlines()


def test_ray_is_tried_only_where_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "ray", lambda: ok("Ray", "stand-in"))
    monkeypatch.setattr(services, "lsl", lambda: ok("LSL", "stand-in"))
    assert "Ray" not in [finding.what for finding in doctor.examine(with_ray=False)]
    assert "Ray" in [finding.what for finding in doctor.examine(with_ray=True)]


# -- software ----------------------------------------------------------------------------------------
def test_a_missing_package_fails_and_an_optional_one_warns() -> None:
    found = {f.what: f for f in software.packages({"ray": None, "scipy": None, "numpy": "2.0"})}
    assert found["ray"].verdict == "fail"
    assert found["scipy"].verdict == "warn"
    assert "rena-graph[signal]" in (found["scipy"].remedy or "")
    assert found["numpy"] == ok("numpy", "2.0")


def test_a_kernel_that_is_missing_warns_but_one_that_is_switched_off_does_not() -> None:
    assert software.compiled_kernel("") == ok("kernel", "compiled")
    assert software.compiled_kernel("RENA_GRAPH_KERNEL=python").verdict == "ok"
    missing = software.compiled_kernel("not built: there was no C compiler when this was installed")
    assert missing.verdict == "warn"
    assert "install a C compiler" in (missing.remedy or "")


def test_the_kernel_can_be_switched_off() -> None:
    done = run_cli("version", "--json", env={"RENA_GRAPH_KERNEL": "python"})
    assert json.loads(done.stdout)["kernel"] == "Python (RENA_GRAPH_KERNEL=python)"


def test_every_dependency_is_looked_at() -> None:
    from importlib.metadata import requires

    wanted = {re.split(r"[^\w-]", text)[0] for text in requires("rena-graph") or () if "extra" not in text}
    assert "ray" in wanted
    assert wanted <= set(PACKAGES)
    assert set(versions()) == {"rena-graph", "python", "system", "kernel", *PACKAGES}


def test_a_missing_liblsl_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise MissingExtra("no liblsl")

    monkeypatch.setattr("rena_graph.bridges.lsl_library.load_pylsl", missing)
    assert software.liblsl().verdict == "fail"
    assert services.lsl().verdict == "fail"


def test_a_liblsl_with_another_clock_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    stand_in = SimpleNamespace(library_version=lambda: 116, local_clock=lambda: time.monotonic() + 1000)
    monkeypatch.setattr("rena_graph.bridges.lsl_library.load_pylsl", lambda: stand_in)
    finding = software.liblsl()
    assert (finding.verdict, finding.found) == ("warn", "1.16, whose clock is 1000 s off the system's monotonic one")


# -- machine -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("limit", "verdict"), [(64, "fail"), (1024, "warn"), (65536, "ok"), (-1, "ok")])
def test_open_files(limit: int, verdict: str) -> None:
    assert resource.RLIM_INFINITY == -1
    assert machine.open_files(limit).verdict == verdict


def test_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.shared_memory(tmp_path / "missing").verdict == "warn"
    small = SimpleNamespace(f_bavail=16_000, f_frsize=4096, f_blocks=16_384)
    monkeypatch.setattr(os, "statvfs", lambda path: small)
    finding = machine.shared_memory(tmp_path)
    assert finding.verdict == "warn"
    assert finding.found.startswith("65.5 MB free of 67.1 MB in ")
    assert "--shm-size" in (finding.remedy or "")


def test_no_rings_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rena_graph.transport.links.ring_available", lambda: "rings need Linux")
    assert machine.ring() == warn(
        "rings", "not here: rings need Linux", "streams go over ZMQ instead, which works and is slower"
    )


def test_ports_in_use_are_counted() -> None:
    with socket.create_server(("0.0.0.0", 0)) as holder:
        port = holder.getsockname()[1]
        finding = machine.lsl_ports(range(port, port + 1))
    assert finding.verdict == "warn"
    assert finding.found == f"0 of 1 free ({port}-{port})"
    assert len(machine.LSL_PORTS) == 33


def test_loopback_works_and_its_absence_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.loopback().verdict == "ok"

    def refused(*_: object, **__: object) -> None:
        raise OSError("no lo")

    monkeypatch.setattr(socket, "create_server", refused)
    assert machine.loopback().verdict == "fail"


@pytest.mark.parametrize(("mode", "verdict"), [(0o600, "ok"), (0o400, "ok"), (0o640, "warn"), (0o604, "warn")])
def test_a_token_that_others_may_read(mode: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.touch()
    token.chmod(mode)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    finding = machine.ray_token()
    assert finding.verdict == verdict
    if verdict == "warn":
        assert finding.remedy == f"chmod 600 {token}"


def test_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert machine.ray_token().verdict == "ok"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "missing"))
    assert machine.ray_token().verdict == "warn"


def test_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert machine.state_folder() == ok("run folders", str(tmp_path / "rena_graph"))
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert machine.state_folder().verdict == "warn"
    (tmp_path / "tmp").rename(tmp_path / "gone")
    assert machine.state_folder().verdict == "fail"


def test_the_socket_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.runtime_folder().verdict == "ok"

    def refused() -> Path:
        raise EnvironmentRefused("belongs to somebody else")

    monkeypatch.setattr("rena_graph.runtime.folders.runtime_dir", refused)
    assert machine.runtime_folder().verdict == "fail"
    assert services.ray().verdict == "fail"


# -- exposure ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "mode", "verdict"),
    [
        (None, None, "ok"),
        ("10.77.0.1:6379", None, "warn"),
        ("10.77.0.1:6379", "disabled", "warn"),
        ("10.77.0.1:6379", "token", "ok"),
    ],
)
def test_a_cluster_without_a_token(
    address: str | None, mode: str | None, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RAY_ADDRESS", address), ("RAY_AUTH_MODE", mode)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    finding = exposure.ray_auth()
    assert finding.verdict == verdict
    if verdict == "warn":
        assert "10.77.0.1:6379" in finding.found
        assert "RAY_AUTH_MODE=token" in (finding.remedy or "")


def test_how_far_lsl_reaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing, broken = tmp_path / "missing.cfg", tmp_path / "broken.cfg"
    shipped = Path(__file__).parents[2] / "deploy" / "lsl_api.cfg"
    assert exposure.lsl_reach([missing]).found.startswith("site, LSL's default")
    assert exposure.lsl_reach([missing, shipped]) == ok("LSL reach", f"machine, as {shipped} says")
    broken.write_text("ResolveScope = machine\n")
    finding = exposure.lsl_reach([broken, shipped])
    assert (finding.verdict, str(broken) in finding.found) == ("warn", True)
    monkeypatch.setenv("LSLAPICFG", str(shipped))
    assert exposure.lsl_reach() == exposure.lsl_reach([shipped])


# -- services ----------------------------------------------------------------------------------------
@pytest.mark.lsl
def test_lsl_from_outlet_to_inlet() -> None:
    assert services.lsl() == ok("LSL", "an outlet was found, and a sample arrived")


def test_lsl_that_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from rena_graph.bridges.lsl_library import load_pylsl

    monkeypatch.setattr(load_pylsl(), "resolve_byprop", lambda *_, **__: [])
    assert services.lsl() == fail("LSL", "an outlet of this process was not found within 5 s", services.LSL_REMEDY)


@pytest.mark.parametrize(
    ("program", "verdict", "found"),
    [
        ("print('starts')", "ok", "starts"),
        ("raise SystemExit('no Ray here')", "fail", "it does not start: no Ray here"),
        ("import os; os._exit(7)", "fail", "it does not start: its process ended with 7"),
    ],
)
def test_what_the_ray_probe_says(program: str, verdict: str, found: str) -> None:
    finding = services.ray([sys.executable, "-c", program])
    assert (finding.verdict, finding.found) == (verdict, found)


def test_a_ray_that_never_answers() -> None:
    finding = services.ray([sys.executable, "-c", "import threading; threading.Event().wait()"], timeout=0.5)
    assert (finding.verdict, finding.found) == ("fail", "it did not start within 0.5 s")
