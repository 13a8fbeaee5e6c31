"""The session process: starts (or joins) Ray for one run, makes the coordinator, and stays until all is gone.

Run as ``python -m rena_graph.runtime.session.process SETUP_FILE`` in a Unix session of its own, so that a Ctrl-C in the
launcher's terminal does not reach Ray's processes. Its standard input is a pipe that the launcher holds: when it
closes, the launcher is gone, and the run ends, unless it was launched to outlive it, or was let go. With ``--ahead
local`` or ``--ahead joined`` in place of the file it is told there which one it is; see :mod:`.ahead`.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from rena_graph.errors import EnvironmentRefused, ExitCode, RenaGraphError
from rena_graph.runtime.alive import hold_alive, hold_session
from rena_graph.runtime.coordinator.signals import Event, LauncherGone, RayLost, StopAsked
from rena_graph.runtime.run_setup import Outcome, RunSetup
from rena_graph.runtime.session import AHEAD, LET_GO, reaper
from rena_graph.runtime.session.ahead import wait_for_run
from rena_graph.runtime.session.limits import allow_open_files, allow_processes
from rena_graph.runtime.session.local_ray import join_ray, prepare_environment, start_local_ray
from rena_graph.runtime.session.ray_watch import RayWatch, ray_processes

__all__ = ["Session", "main"]

log = logging.getLogger(__name__)

FORCE_AFTER = 6.0
"""Seconds after the launcher's or Ray's end at which the run is taken down, whatever it is doing."""
RAY_ENDS_WITHIN = 10.0
"""Seconds that a Ray of the run's own has to end once nothing runs on it any more; it takes less than one."""
PRELOADED = ("rena_graph.runtime.node.process",)
"""What every process of a run needs most of, be it the coordinator, a host agent or a node."""
COORDINATOR_MADE_WITHIN = 30.0
"""Seconds that Ray has to make a coordinator's successor."""


class Session:
    """One run's frame."""

    def __init__(self, setup: RunSetup) -> None:
        self._setup = setup
        self._local = setup.options.address == "local"
        self._launcher_gone = threading.Event()
        self._detached = setup.options.detach
        self._stop_asked: str | None = None
        self._coordinator: Any = None
        self._ray: RayWatch | None = None
        self._ray_lost: str | None = None
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", reaper.__file__, str(setup.runtime), f"rg-{setup.id}-", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(self) -> ExitCode:
        """The whole session."""
        threading.Thread(target=self._watch_launcher, name="rena-launcher", daemon=True).start()
        try:
            allow_open_files()
            if self._local:
                allow_processes(len(self._setup.graph.nodes))
            self._serve_metrics()
            self._enter_ray()
            self.listen()  # Ray has put its own handler there
            return ExitCode(self._run_coordinator())
        except RenaGraphError as error:
            self._leave_word(error.exit_code, str(error))
            return error.exit_code

    def _serve_metrics(self) -> None:
        """Here, since this process lives as long as the run: a coordinator may come back, an agent too."""
        setup = self._setup
        if setup.options.metrics_port is None:
            return
        from rena_graph.runtime.launch.handle import RunHandle
        from rena_graph.runtime.metrics.server import MetricsServer

        handle = RunHandle(setup.id, setup.folder, setup.runtime)
        MetricsServer(setup.options.metrics_host, setup.options.metrics_port, lambda: handle.ask({"op": "metrics"}))

    def _enter_ray(self) -> None:
        setup = self._setup
        if self._local:
            prepare_environment(setup.runtime / "token")
            start_local_ray(setup.namespace, setup.runtime / "ray", PRELOADED)
        else:
            prepare_environment(None)
            join_ray(setup.namespace, setup.options.address)
        self._ray = RayWatch(lambda what: threading.Thread(target=self._without_ray, args=(what,), daemon=True).start())

    def _without_ray(self, what: str) -> None:
        """End the run in good order as long as its processes outlive Ray, which are seconds; then by force."""
        if self._ray_lost is not None:
            return
        self._ray_lost = f"{what}; without it the run cannot go on"
        log.error("%s", self._ray_lost)
        if self._coordinator is not None:
            self._tell(RayLost(self._ray_lost))
        time.sleep(FORCE_AFTER)
        self._force(self._ray_lost)

    def _tell(self, event: Event) -> None:
        self._coordinator.hear.remote(event)

    def _run_coordinator(self) -> int:
        """The run, from coordinator to coordinator; returns its exit code."""
        import ray
        from ray.exceptions import GetTimeoutError, RayActorError, RayError

        from rena_graph.runtime.coordinator.restarts import FRAME_LOSSES, FRAME_WINDOW, spend

        losses: list[float] = []
        while True:
            life = self._begin_coordinator()
            try:
                if losses:
                    ray.get(self._coordinator.__ray_ready__.remote(), timeout=COORDINATOR_MADE_WITHIN)
                return int(ray.get(life))
            except RayActorError as error:
                log.warning("the coordinator died: %s", error)
                if self._ray_lost is not None:
                    raise EnvironmentRefused(self._ray_lost) from error
                if (outcome := Outcome.read(self._setup.folder)) is not None:
                    return int(outcome.exit_code)  # over the last of its work, which we do as well
                if not spend(losses, time.monotonic()):
                    self._end_without_coordinator()
                    text = f"the coordinator died, {FRAME_LOSSES + 1} times within {FRAME_WINDOW:g} s: {error}"
                    raise EnvironmentRefused(text) from error
            except GetTimeoutError as error:
                self._end_without_coordinator()
                text = f"the coordinator died, and Ray made no other one within {COORDINATOR_MADE_WITHIN:g} s"
                raise EnvironmentRefused(text) from error
            except RayError as error:
                raise EnvironmentRefused(f"the coordinator failed: {error}") from error

    def _begin_coordinator(self) -> Any:
        """Make the next coordinator, which goes on where the one before stopped; gives its whole life to wait for."""
        import ray

        from rena_graph.runtime.coordinator.front import CoordinatorActor

        here = f"node:{ray.util.get_node_ip_address()}"
        self._coordinator = (
            ray.remote(CoordinatorActor)
            .options(
                num_cpus=0,
                name=f"coordinator:{time.monotonic_ns()}",
                namespace=self._setup.namespace,
                lifetime="detached",
                resources={here: 0.001},
                enable_task_events=False,  # each call of it would be noted, and the notes sent on
            )
            .remote(self._setup)
        )
        life = self._coordinator.run.remote()
        if self._launcher_gone.is_set():
            self._tell(LauncherGone())
        if self._stop_asked is not None:
            self._tell(StopAsked(self._stop_asked))
        if self._ray_lost is not None:
            self._tell(RayLost(self._ray_lost))
        return life

    def _end_without_coordinator(self) -> None:
        """Nobody decides any more: let the host agent end everything in good order, as far as it can."""
        import ray
        from ray.exceptions import GetTimeoutError, RayError

        from rena_graph.runtime.coordinator.agent_link import agent_name
        from rena_graph.runtime.coordinator.memory import Memory

        saved = Memory(self._setup.runtime).read()
        if saved is None:
            return
        ends = []
        for host, life in saved["agents"].items():
            try:
                agent = ray.get_actor(agent_name(host, life), namespace=self._setup.namespace)
            except ValueError as error:
                log.warning("host %s has no agent any more: %s", host, error)
            else:
                ends.append(agent.end_all.remote())
        for end in ends:
            try:
                ray.get(end, timeout=self._setup.longest_stop)
            except (RayError, GetTimeoutError) as error:
                log.warning("a host agent did not end the run in good order: %s", error)

    def _watch_launcher(self) -> None:
        """Block until the launcher's end of the pipe closes."""
        said = b""
        with suppress(OSError):
            while block := os.read(0, 4096):
                said = (said + block)[-len(LET_GO) :]
        if said == LET_GO:
            self._detached = True
        if not self._detached:
            self.end_soon()

    def listen(self) -> None:
        """Take SIGTERM; signals to the terminal do not come here (a Unix session of its own)."""
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=self.asked_to_end, daemon=True).start())

    def asked_to_end(self) -> None:
        """Somebody sent SIGTERM: what a launcher's going away means, or, where there is none to go away, a stop."""
        if not self._detached or self._coordinator is None:
            self.end_soon()
            return
        self._stop_asked = "asked to stop by SIGTERM"
        self._tell(StopAsked(self._stop_asked))
        time.sleep(self._setup.longest_stop)
        self._force("the run was asked to stop by SIGTERM and did not end in time")

    def end_soon(self) -> None:
        """End the run in good order, and by force where that takes too long."""
        if self._launcher_gone.is_set():
            return
        self._launcher_gone.set()
        if self._coordinator is not None:
            self._tell(LauncherGone())
        time.sleep(FORCE_AFTER)
        self._force("the launcher vanished and the run did not end in time")

    def _force(self, failure: str) -> None:
        self._leave_word(ExitCode.ENVIRONMENT, failure)
        # The reaper wakes when this process is gone, and ends what is left.
        os.kill(os.getpid(), signal.SIGKILL)

    def _leave_word(self, exit_code: ExitCode, failure: str) -> None:
        """How the run ended, where that can be written: whoever calls this goes on to end it in any case."""
        try:
            if Outcome.read(self._setup.folder) is None:
                Outcome(exit_code, failure).write(self._setup.folder)
        except OSError as error:  # a full disk, or the run's folder was removed
            log.error("%s; and that cannot be written: %s", failure, error)

    def close(self) -> None:
        """End Ray (ours) or leave it (somebody else's), and remove the run's sockets."""
        import ray

        setup = self._setup
        if self._ray is not None:
            self._ray.close()
        if self._ray_lost is None:
            if self._coordinator is not None and not self._local:
                ray.kill(self._coordinator, no_restart=True)
            self._leave_ray()
        self._end_leftovers()
        shutil.rmtree(setup.runtime, ignore_errors=True)

    def _leave_ray(self) -> None:
        """Ray asks its processes to end and waits for them: for one that is stopped as long as that stays so."""
        import ray

        patience = threading.Timer(RAY_ENDS_WITHIN, self._kill_ray)
        patience.daemon = True
        if self._local:
            patience.start()
        ray.shutdown()
        patience.cancel()

    def _kill_ray(self) -> None:
        for pid, name in ray_processes(str(self._setup.runtime / "ray")).items():
            log.warning("Ray's %s did not end within %g s and is killed", name, RAY_ENDS_WITHIN)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _end_leftovers(self) -> None:
        """Ray ends its workers when it ends; those that are stopped or stuck need SIGKILL."""
        deadline = time.monotonic() + 2.0
        me = os.getpid()
        while left := [pid for pid in reaper.run_processes(str(self._setup.runtime), me) if pid != me]:
            if time.monotonic() > deadline:
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)


def main(path: str) -> int:
    """Run the session described in `path`."""
    setup = RunSetup.load(Path(path))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    locks = hold_session(setup.runtime), hold_alive(setup.runtime)
    session = Session(setup)
    session.listen()
    try:
        code = session.run()
    except BaseException:  # noqa: BLE001 - the last word of a run, whatever happened
        failure = traceback.format_exc()
        log.error("%s", failure)
        session._leave_word(ExitCode.INTERNAL, failure)
        code = ExitCode.INTERNAL
    session.close()
    for lock in locks:
        os.close(lock)
    session._reaper.wait(5.0)
    if session._ray_lost is not None:
        os._exit(int(code))  # at the interpreter's end Ray would wait for itself, for a minute
    return int(code)


if __name__ == "__main__":
    told = wait_for_run(own=sys.argv[2] == "local") if sys.argv[1] == AHEAD else sys.argv[1]
    sys.exit(0 if told is None else main(told))
