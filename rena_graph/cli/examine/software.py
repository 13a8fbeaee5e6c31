"""What is installed: Python, the packages that rena-graph stands on, and liblsl."""

from __future__ import annotations

from rena_graph import kernel
from rena_graph.cli.examine.finding import Finding, fail, ok, warn
from rena_graph.cli.version import versions
from rena_graph.errors import MissingExtra

__all__ = ["OPTIONAL", "compiled_kernel", "liblsl", "packages"]

OPTIONAL = {"scipy": "signal"}
"""Packages that only some scripts need, with the extra that brings them."""


def packages(found: dict[str, str | None] | None = None) -> list[Finding]:
    """A finding for each package; `found` as :func:`rena_graph.cli.version.versions` gives it."""
    findings = []
    for name, version in (versions() if found is None else found).items():
        if name == "kernel":
            findings.append(compiled_kernel())
        elif version is not None:
            findings.append(ok(name, version))
        elif name in OPTIONAL:
            extra = f'pip install "rena-graph[{OPTIONAL[name]}]"'
            findings.append(warn(name, "not installed", f"only scripts that filter need it: {extra}"))
        else:
            findings.append(fail(name, "not installed", "pip install --force-reinstall rena-graph"))
    return findings


def compiled_kernel(missing: str | None = None) -> Finding:
    """Whether the compiled kernel is at work; `missing`: why not, as :data:`rena_graph.kernel.missing` says."""
    missing = kernel.missing if missing is None else missing
    if not missing:
        return ok("kernel", "compiled")
    if missing.startswith(kernel.ENVIRONMENT):
        return ok("kernel", f"Python, as {missing} asks")
    return warn("kernel", f"Python ({missing})", "a hop then takes longer: install a C compiler, then rena-graph anew")


def liblsl() -> Finding:
    """The C library behind pylsl, and whether its clock is the one that we take it for."""
    import time

    from rena_graph.bridges.lsl_library import load_pylsl

    try:
        pylsl = load_pylsl()
    except MissingExtra as error:
        return fail("liblsl", str(error), "pip install --force-reinstall pylsl")
    major, minor = divmod(pylsl.library_version(), 100)
    off = abs(pylsl.local_clock() - time.monotonic())
    if off > 1.0:
        return warn(
            "liblsl",
            f"{major}.{minor}, whose clock is {off:.0f} s off the system's monotonic one",
            "timestamps of scripts and of LSL will differ by that; use the liblsl that pylsl brings",
        )
    return ok("liblsl", f"{major}.{minor}")
