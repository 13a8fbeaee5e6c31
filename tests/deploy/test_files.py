"""Every file in deploy/, given to whoever will have to understand it; and all of them held against each other."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

from tests.deploy.units import (
    DEPLOY,
    LINKS,
    SYSTEMD,
    env_file,
    environment,
    exec_start,
    link_ports,
    ports,
    setting,
    writable,
)
from tests.limits import LIMIT

BIN = Path(sys.executable).parent
CRDS = Path(__file__).parents[3] / "shared" / "data" / "kuberay"
"""KubeRay's own custom resource definitions, beside the checkout: they are not ours to hand on."""
UNITS = sorted(path.name for path in SYSTEMD.glob("*.service"))
RAY_UNITS = ["rena-graph-head.service", "rena-graph-worker.service"]
OWN = {"RG_NODE_IP": "10.77.0.2", "RG_HEAD_IP": "10.77.0.1", "RG_RAY_OPTIONS": "--num-gpus=1 --labels=a=b"}
YAML = sorted(path for path in DEPLOY.rglob("*.yaml"))
STRICT = "{extends: default, rules: {line-length: {max: 120}, document-start: disable, braces: disable}}"


def checked(*command: str | Path) -> str:
    """Run a checker; it must find nothing and say nothing of an error."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LIMIT, cwd=DEPLOY)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def load(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text())


# -- the command lines of `ray start` -------------------------------------------------------------------
def start_lines() -> dict[str, list[str]]:
    """All of them as lists of words, without what is each file's own: by the file that they are in."""
    known = {**ports(), **OWN}
    lines = {unit: exec_start(unit, known)[1:] for unit in RAY_UNITS}
    for name, service in load("docker/compose.yaml")["services"].items():
        filled = re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], service["command"])
        lines[f"compose {name}"] = shlex.split(filled)[1:]
    launcher = load("ray/cluster.yaml")
    for role in ("head", "worker"):
        (line,) = [w for w in launcher[f"{role}_start_ray_commands"] if "ray start" in w]
        words = shlex.split(line.replace("$RAY_HEAD_IP", OWN["RG_HEAD_IP"]))
        lines[f"launcher {role}"] = words[words.index("/opt/rena-graph/bin/ray") + 1 :]
    for path in ("ray-cluster", "ray-job"):
        spec = load(f"kuberay/{path}.yaml")["spec"]
        spec = spec.get("rayClusterSpec", spec)
        head = [f"--{key}={value}" for key, value in spec["headGroupSpec"]["rayStartParams"].items()]
        lines[f"{path} head"] = ["start", "--head", *head]
        for group in spec["workerGroupSpecs"]:
            own = [f"--{key}={value}" for key, value in group["rayStartParams"].items()]
            lines[f"{path} {group['groupName']}"] = ["start", f"--address={OWN['RG_HEAD_IP']}:6379", *own]
    return lines


LINES = start_lines()


def options(words: list[str]) -> dict[str, Any]:
    """What Ray's own parser makes of a line."""
    from ray.scripts.scripts import start

    assert words[0] == "start"
    context = click.Context(start)
    parsed, left, _ = start.make_parser(context).parse_args(words[1:])
    assert left == []
    return dict(parsed)


@pytest.mark.parametrize("where", LINES)
def test_ray_understands_every_start_line(where: str) -> None:
    parsed = options(LINES[where])
    head = "head" in where
    assert bool(parsed.get("head")) is head
    assert ("address" in parsed) is not head


def test_all_start_lines_use_the_ports_of_the_one_list() -> None:
    known = ports()
    expected = {
        "node_manager_port": known["RG_NODE_MANAGER_PORT"],
        "object_manager_port": known["RG_OBJECT_MANAGER_PORT"],
        "runtime_env_agent_port": known["RG_RUNTIME_ENV_AGENT_PORT"],
        "dashboard_agent_grpc_port": known["RG_AGENT_GRPC_PORT"],
        "dashboard_agent_listen_port": known["RG_AGENT_HTTP_PORT"],
        "metrics_export_port": known["RG_METRICS_PORT"],
        "min_worker_port": known["RG_WORKER_PORT_MIN"],
        "max_worker_port": known["RG_WORKER_PORT_MAX"],
        "object_store_memory": "134217728",
    }
    for where, words in LINES.items():
        parsed = options(words)
        assert {key: parsed.get(key) for key in expected} == expected, where
        if parsed.get("head"):
            assert parsed["port"] == known["RG_GCS_PORT"], where
        else:
            assert parsed["address"].endswith(":" + known["RG_GCS_PORT"]), where
        assert "dashboard_host" not in parsed, f"{where}: the dashboard stays on loopback"


def test_no_port_is_given_twice_and_none_lies_among_those_of_the_workers() -> None:
    known = {name: int(port) for name, port in ports().items()}
    low, high = known.pop("RG_WORKER_PORT_MIN"), known.pop("RG_WORKER_PORT_MAX")
    assert len(set(known.values())) == len(known)
    assert not [port for port in known.values() if low <= port <= high or port in link_ports()]
    assert high - low >= 200
    assert not set(range(low, high + 1)) & set(link_ports())


def test_the_firewall_knows_exactly_these_ports() -> None:
    text = (DEPLOY / "nftables" / "rena-graph.nft").read_text()
    (elements,) = re.findall(r"set cluster_ports \{.*?elements = \{ ([^}]*) \}", text, re.S)
    allowed: set[int] = set()
    for part in elements.split(","):
        low, _, high = part.strip().partition("-")
        allowed.update(range(int(low), int(high or low) + 1))
    known = {name: int(port) for name, port in ports().items()}
    workers = range(known.pop("RG_WORKER_PORT_MIN"), known.pop("RG_WORKER_PORT_MAX") + 1)
    assert allowed == {*known.values(), *workers, *link_ports()}


# -- each by its own checker -----------------------------------------------------------------------------
@pytest.mark.parametrize("path", YAML, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_yaml_is_written_cleanly(path: Path) -> None:
    assert checked(BIN / "yamllint", "-s", "-d", STRICT, path) == ""


def test_the_dockerfile_is_sound_and_starts_from_the_ray_of_the_other_files() -> None:
    dockerfile = DEPLOY / "docker" / "Dockerfile"
    assert checked(BIN / "hadolint", dockerfile) == ""
    versions = set(re.findall(r"rayproject/ray:([\d.]+)-", dockerfile.read_text()))
    for path in ("ray-cluster", "ray-job"):
        spec = load(f"kuberay/{path}.yaml")["spec"]
        versions.add(spec.get("rayClusterSpec", spec)["rayVersion"])
    (version,) = versions
    (wanted,) = [r for r in map(Requirement, requires("rena-graph") or []) if r.name == "ray" and r.marker is None]
    assert version in wanted.specifier


def test_the_compose_file_is_one() -> None:
    checked(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "docker" / "compose.yaml")


def test_ray_takes_the_launcher_s_configuration() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = load("ray/cluster.yaml")
    validate_config(prepare_config(config))
    with pytest.raises(jsonschema.ValidationError):
        validate_config({**config, "no_such_key": 1})


def strict(schema: Any) -> Any:
    """The schema with every object closed, as `kubectl` checks it."""
    if isinstance(schema, dict):
        closed = {key: strict(value) for key, value in schema.items()}
        if "properties" in closed and not schema.get("x-kubernetes-preserve-unknown-fields"):
            closed.setdefault("additionalProperties", False)
        return closed
    return [strict(item) for item in schema] if isinstance(schema, list) else schema


def crd(plural: str) -> Any:
    path = CRDS / f"ray.io_{plural}.yaml"
    if not path.is_file():
        pytest.skip(f"needs KubeRay's definitions: {path}")
    with path.open(encoding="utf-8") as file:
        definition = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    (version,) = [v for v in definition["spec"]["versions"] if v["name"] == "v1"]
    schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}  # which Kubernetes itself knows
    return schema


@pytest.mark.parametrize(("path", "plural"), [("ray-cluster", "rayclusters"), ("ray-job", "rayjobs")])
def test_kuberay_takes_its_resources(path: str, plural: str) -> None:
    schema, resource = crd(plural), load(f"kuberay/{path}.yaml")
    jsonschema.Draft202012Validator(schema).validate(resource)
    spec = resource["spec"].get("rayClusterSpec", resource["spec"])
    spec["headGroupSpec"]["rayStartParam"] = {}
    with pytest.raises(jsonschema.ValidationError, match="rayStartParam"):
        jsonschema.Draft202012Validator(schema).validate(resource)


def test_kubernetes_takes_the_network_policy() -> None:
    checked(BIN / "kubernetes-validate", "--strict", DEPLOY / "kuberay" / "network-policy.yaml")
    policy = load("kuberay/network-policy.yaml")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule.get("from") for rule in policy["ingress"]), "a rule without from would let everybody in"
    assert all(rule.get("to") for rule in policy["egress"])


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they would lie in /etc/systemd/system, with a program that is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: it is not installed here")
    for name in UNITS:
        text = re.sub(r"/opt/rena-graph/bin/[\w-]+", "/bin/true", (SYSTEMD / name).read_text())
        (tmp_path / name.replace("@.", "@study.")).write_text(text)
    return tmp_path


def test_systemd_knows_every_key_of_the_units(units: Path) -> None:
    # It ends with 0 at an unknown key, too: what it says is what counts.
    for path in units.iterdir():
        assert checked("systemd-analyze", "verify", path) == ""
    broken = units / "rena-graph-head.service"
    broken.write_text(broken.read_text().replace("KillMode=", "KilMode="))
    done = subprocess.run(["systemd-analyze", "verify", broken], capture_output=True, text=True)
    assert "KilMode" in done.stderr


def test_the_units_expose_little(units: Path) -> None:
    for path in units.iterdir():
        said = checked("systemd-analyze", "security", "--offline=true", path)
        (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", said)
        assert float(level) <= 4.0, path.name


def test_nft_takes_the_rules_again_and_again(tmp_path: Path) -> None:
    rules = DEPLOY / "nftables" / "rena-graph.nft"
    if shutil.which("nft") is None or shutil.which("unshare") is None:
        pytest.skip("needs network namespaces: nft or unshare is not installed")
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True)
    if tried.returncode != 0:
        pytest.skip("needs root: rules are checked in a network namespace")
    checked("unshare", "--net", "sh", "-c", f"nft -c -f {rules} && nft -f {rules} && nft -f {rules}")


# -- what holds for all ----------------------------------------------------------------------------------
def test_every_ray_that_is_started_asks_for_a_token() -> None:
    for unit in UNITS:
        settings = environment(unit)
        assert settings["RAY_AUTH_MODE"] == "token", unit
        assert settings["RAY_AUTH_TOKEN_PATH"], unit
        assert settings["RAY_USAGE_STATS_ENABLED"] == "0", unit
    for name, service in load("docker/compose.yaml")["services"].items():
        assert service["environment"]["RAY_AUTH_MODE"] == "token", name
        assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray-token"
    for role in ("head", "worker"):
        (line,) = [w for w in load("ray/cluster.yaml")[f"{role}_start_ray_commands"] if "ray start" in w]
        assert "RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=" in line
    for path in ("ray-cluster", "ray-job"):
        spec = load(f"kuberay/{path}.yaml")["spec"]
        assert spec.get("rayClusterSpec", spec)["authOptions"] == {"mode": "token"}


def test_every_ray_that_is_started_knows_where_streams_of_other_hosts_may_come_in() -> None:
    from rena_graph.runtime.host.link_identity import LINK_PORTS, binds

    said = f"{link_ports()[0]}-{link_ports()[-1]}"
    assert LINK_PORTS == LINKS
    tried = itertools.islice(binds("tcp://10.77.0.1:*", said), len(link_ports()))
    assert list(tried) == [f"tcp://10.77.0.1:{port}" for port in link_ports()]
    for unit in RAY_UNITS:
        assert "/etc/rena-graph/ports.env" in setting(unit, "EnvironmentFile"), unit
    for name, service in load("docker/compose.yaml")["services"].items():
        assert service["environment"][LINKS] == f"${{{LINKS}}}", name
    for role in ("head", "worker"):
        (line,) = [w for w in load("ray/cluster.yaml")[f"{role}_start_ray_commands"] if "ray start" in w]
        assert f"{LINKS}={said}" in line.split()
    for path in ("ray-cluster", "ray-job"):
        spec = load(f"kuberay/{path}.yaml")["spec"]
        spec = spec.get("rayClusterSpec", spec)
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            (container,) = group["template"]["spec"]["containers"]
            assert {"name": LINKS, "value": said} in container["env"], path


def test_no_secret_lies_in_any_file() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert not re.search(r"\b[0-9a-f]{32,}\b", text), path
            assert "PRIVATE KEY" not in text, path


def test_the_token_file_of_the_containers_gets_into_neither_git_nor_an_image() -> None:
    secret = load("docker/compose.yaml")["secrets"]["ray-token"]["file"]
    path = (DEPLOY / "docker" / secret).relative_to(DEPLOY.parent)
    for name in (".gitignore", ".dockerignore"):
        assert f"/{path}" in (DEPLOY.parent / name).read_text().splitlines(), name


def test_the_graph_unit_starts_a_launch_that_the_command_line_understands() -> None:
    from rena_graph.cli.launch import command

    words = exec_start("rena-graph@.service", {**ports(), **OWN})
    assert words[1] == "launch"
    context = command.make_context("launch", words[2:])
    assert context.params["address"] == "10.77.0.1:6379"
    (codes,) = setting("rena-graph@.service", "RestartPreventExitStatus")
    assert codes.split() == ["2", "3"]


def test_a_launch_and_its_nodes_may_write_where_they_meet() -> None:
    # Nodes are processes of a Ray unit, the launch is one of its own: each sees the machine read-only but for these.
    settings = environment("rena-graph@.service")
    met = {settings["XDG_RUNTIME_DIR"], settings["XDG_STATE_HOME"]}
    for unit in UNITS:
        assert met <= writable(unit), unit
        own = environment(unit)
        assert {own["XDG_RUNTIME_DIR"], own["XDG_STATE_HOME"]} == met, "of a run's parts on other hosts too"
    (line,) = [word for word in exec_start(RAY_UNITS[0], {**ports(), **OWN}) if word.startswith("--temp-dir=")]
    assert line.removeprefix("--temp-dir=") in writable("rena-graph@.service"), "a driver writes Ray's logs too"


def test_a_worker_unit_that_stops_leaves_no_segment_of_the_runs_that_it_ends(tmp_path: Path) -> None:
    (line,) = setting("rena-graph-worker.service", "ExecStopPost")
    shm, (runtime,) = tmp_path / "shm", setting("rena-graph-worker.service", "RuntimeDirectory")
    assert environment("rena-graph-worker.service")["XDG_RUNTIME_DIR"] == f"/run/{runtime}"
    shm.mkdir()
    names = {"rg-c0ffee12-0", "rg-c0ffee12-board", "rg-beef0001-0", "rg-other", "else-c0ffee12-0"}
    for name in names:
        (shm / name).touch()
    # As systemd splits it: the first word without its sign, and `$$` for a dollar.
    words = shlex.split(line.removeprefix("-").replace("$$", "$"))
    words = [word.replace("/dev/shm", str(shm)).replace("/run/", f"{tmp_path}/") for word in words]
    assert subprocess.run(words, capture_output=True).returncode != 0, "no run has been here"
    assert {path.name for path in shm.iterdir()} == names
    (tmp_path / runtime / "rena-graph").mkdir(parents=True)
    assert subprocess.run(words).returncode == 0, "none is here now"
    assert {path.name for path in shm.iterdir()} == names
    (tmp_path / runtime / "rena-graph" / "c0ffee12").mkdir()
    assert subprocess.run(words).returncode == 0
    assert {path.name for path in shm.iterdir()} == names - {"rg-c0ffee12-0", "rg-c0ffee12-board"}


def test_what_a_host_sets_is_what_the_units_use() -> None:
    used = {name for unit in UNITS for name in re.findall(r"\$\{?(RG_\w+)", (SYSTEMD / unit).read_text())}
    assert used == {*ports(), *env_file(SYSTEMD / "host.env")}


def test_every_file_is_named_in_the_readme() -> None:
    readme = (DEPLOY / "README.md").read_text()
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert f"`{path.relative_to(DEPLOY)}`" in readme, path
