"""Small packages that tests have installed, made on the spot: no index, no network."""

from __future__ import annotations

import zipfile
from pathlib import Path

__all__ = ["NAME", "make_wheel"]

NAME = "rgt-extra"
"""The package; its module is `rgt_extra`, with its version as `VERSION`."""


def make_wheel(folder: Path, version: str = "1.0", name: str = NAME, needs: tuple[str, ...] = ()) -> Path:
    """Write a wheel of one module into `folder`, and give its path."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {need}\n" for need in needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel
