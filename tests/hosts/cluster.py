"""A Ray cluster on the hosts of a rig, started with the very commands of deploy/systemd."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from pathlib import Path
from types import TracebackType

from tests.deploy.units import DEPLOY, LINKS, SYSTEMD, env_file, exec_start, ports, setting
from tests.hosts.rig import BIN, Host, Network

__all__ = ["Cluster"]

_NODES = """
import json, ray
ray.init(address={address!r}, log_to_driver=False, configure_logging=False)
print(json.dumps([n for n in ray.nodes() if n["Alive"]]))
"""


class Cluster:
    """A head and workers.

    Parameters
    ----------
    folder : Path
        For logs and the token.
    workers : dict of str to str
        By name, the options of ``ray start`` that are this host's own.
    head : str
        The same of the head.
    ahead : dict of str to float
        Seconds that a host's monotonic clock is ahead.
    """

    def __init__(
        self, folder: Path, workers: dict[str, str], head: str = "", ahead: dict[str, float] | None = None
    ) -> None:
        self.network = Network(folder)
        self._folder = folder
        token = folder / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        self.env = {"RAY_AUTH_TOKEN_PATH": str(token)}
        for pair in setting("rena-graph-head.service", "Environment"):
            key, value = pair.split("=", 1)
            if not key.startswith("XDG_"):  # each host of the rig has folders of its own
                self.env.setdefault(key, value)
        self.env[LINKS] = env_file(DEPLOY / "ports.env")[LINKS]
        try:
            self.head = self.network.add("head", (ahead or {}).get("head", 0.0))
            self.workers = {name: self.network.add(name, (ahead or {}).get(name, 0.0)) for name in workers}
            self._ray: dict[str, subprocess.Popen[str]] = {
                "head": self._start("rena-graph-head.service", self.head, head)
            }
            for name, options in workers.items():
                self._ray[name] = self._start("rena-graph-worker.service", self.workers[name], options)
            self.wait_for(1 + len(workers))
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        """What ``--address`` takes."""
        return f"{self.head.address}:{ports()['RG_GCS_PORT']}"

    @property
    def holders(self) -> set[int]:
        """The processes here of which all that lasts on the hosts descends."""
        return self.network.holders | {process.pid for process in self._ray.values()}

    def _start(self, unit: str, host: Host, options: str) -> subprocess.Popen[str]:
        own = {"RG_NODE_IP": host.address, "RG_HEAD_IP": self.head.address, "RG_RAY_OPTIONS": options}
        assert set(own) == set(env_file(SYSTEMD / "host.env"))
        command = exec_start(unit, {**ports(), **own})
        assert command[0] == "/opt/rena-graph/bin/ray"
        host.run("mkdir", "-m", "700", "/run/rena-graph-ray")
        with (self._folder / f"ray-{host.name}.log").open("w") as log:
            return host.start(str(BIN / "ray"), *command[1:], env=self.env, log=log)

    def nodes(self) -> list[dict[str, object]]:
        """What Ray knows of its living hosts."""
        found = self.head.run(str(BIN / "python"), "-c", _NODES.format(address=self.address), env=self.env, timeout=20)
        nodes: list[dict[str, object]] = json.loads(found.splitlines()[-1])
        return nodes

    def wait_for(self, count: int, limit: float = 90.0) -> None:
        """Until Ray has this many living hosts."""
        deadline = time.monotonic() + limit
        problem = ""
        while time.monotonic() < deadline:
            for name, process in self._ray.items():
                assert process.poll() is None, f"ray on {name} ended:\n{self._log(name)}"
            try:
                if len(self.nodes()) == count:
                    return
            except AssertionError as error:
                problem = str(error)
            time.sleep(0.2)
        logs = "\n".join(self._log(name) for name in self._ray)
        raise AssertionError(f"not {count} hosts within {limit} s: {problem}\n{logs}")

    def _log(self, name: str) -> str:
        return f"--- {name}\n" + (self._folder / f"ray-{name}.log").read_text()[-3000:]

    def rena_graph(self, *words: str, host: Host | None = None, timeout: float = 120.0) -> str:
        """Run ``rena-graph`` on a host (the head) to its good end; what it printed."""
        return (host or self.head).run(str(BIN / "rena-graph"), *words, env=self.env, timeout=timeout)

    def close(self) -> None:
        """Everything down; nothing is left."""
        self.network.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
