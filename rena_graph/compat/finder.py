"""The import hook that makes the original's names resolve to ours, and the rest of them to the installed package."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from rena_graph.compat import graph_clock

__all__ = ["ORIGINAL", "OURS", "install", "uninstall"]

ORIGINAL = "physiolabxr"
_ROOTS = (ORIGINAL, "rena")
_COMPAT = "rena_graph.compat"

OURS = {
    "physiolabxr.scripting.RenaScript": f"{_COMPAT}.scripting",
    "rena.scripting.RenaScript": "rena_graph.script",
    "physiolabxr.rpc.decorator": f"{_COMPAT}.rpc",
    "rena.rpc.decorator": f"{_COMPAT}.rpc",
    "physiolabxr.utils.buffers": f"{_COMPAT}.buffers",
    "rena.utils.buffers": f"{_COMPAT}.buffers",
    "rena.utils.general": f"{_COMPAT}.buffers",
    "physiolabxr.utils.data_utils": f"{_COMPAT}.data_utils",
    "rena.utils.data_utils": f"{_COMPAT}.data_utils",
    "physiolabxr.utils.time_utils": f"{_COMPAT}.time_utils",
    "rena.utils.time_utils": f"{_COMPAT}.time_utils",
}
"""The original's modules, and what stands for them."""

_PACKAGES = {root + tail for root in _ROOTS for tail in ("", ".scripting", ".rpc", ".utils")}
"""Packages whose own code is not run: it may want Qt."""


def install() -> None:
    """Let the original's names be imported in this process; does nothing the second time."""
    if not any(isinstance(finder, CompatFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, CompatFinder())
        graph_clock.patch()


def uninstall() -> None:
    """Undo :func:`install`, and forget the modules that came of it."""
    for finder in [f for f in sys.meta_path if isinstance(f, CompatFinder)]:
        sys.meta_path.remove(finder)
    for name in [n for n in sys.modules if n.partition(".")[0] in _ROOTS]:
        del sys.modules[name]
    graph_clock.unpatch()
    graph_clock.use(False)


class CompatFinder(MetaPathFinder):
    """Answers for ``physiolabxr``, ``rena`` and ``pylsl``, before every other finder."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of one of our modules, of the installed package's, or None for what is none of ours.

        Raises
        ------
        ModuleNotFoundError
            A module of the original that nobody has: the message says what to install.
        """
        root = fullname.partition(".")[0]
        if root == "pylsl":
            return self._pylsl(fullname, path)
        if root not in _ROOTS:
            return None
        graph_clock.use(True)
        if fullname in OURS:
            return ModuleSpec(fullname, _OursLoader(OURS[fullname]))
        if fullname in _PACKAGES:
            spec = ModuleSpec(fullname, _EmptyLoader(), is_package=True)
            spec.submodule_search_locations = self._folders(fullname)
            return spec
        return self._installed(fullname, path)

    def _installed(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec:
        root, _, tail = fullname.partition(".")
        parent = sys.modules.get(fullname.rpartition(".")[0])
        # Below a package of the original under its old name, a file must not become a second module.
        second_name = root != ORIGINAL and parent is not None and parent.__name__.partition(".")[0] == ORIGINAL
        spec = None if second_name else self._elsewhere(fullname, path)
        if spec is not None:
            return spec
        if root != ORIGINAL and self._find_original(tail):
            return ModuleSpec(fullname, _SameModuleLoader(f"{ORIGINAL}.{tail}"))
        ours = ", ".join(sorted(name for name in OURS if name.startswith(root)))
        if self._folders(ORIGINAL):
            remedy = f"the installed package {ORIGINAL!r} has no such module"
        else:
            remedy = f"it belongs to the package {ORIGINAL!r}: install that (pip install {ORIGINAL})"
        raise ModuleNotFoundError(f"no module {fullname!r}: {remedy}; rena_graph itself brings {ours}", name=fullname)

    def _find_original(self, tail: str) -> bool:
        try:
            return importlib.util.find_spec(f"{ORIGINAL}.{tail}") is not None
        except ModuleNotFoundError:
            return False

    def _folders(self, package: str) -> list[str]:
        """Where the installed package of this name lies; none where there is none."""
        root, _, tail = package.partition(".")
        spec = self._elsewhere(root, None)
        found = [] if spec is None else [str(Path(f, tail)) for f in spec.submodule_search_locations or ()]
        return [folder for folder in found if Path(folder).is_dir()]

    def _elsewhere(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """What the other finders say."""
        for finder in sys.meta_path:
            find = None if isinstance(finder, CompatFinder) else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if find is None else find(fullname, path)
            if spec is not None:
                return spec
        return None

    def _pylsl(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        spec = self._elsewhere(fullname, path) if fullname == "pylsl" else None
        if spec is not None and spec.loader is not None:
            spec.loader = _PylslLoader(spec.loader)
        return spec


class _EmptyLoader(Loader):
    """A package without code of its own."""

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to do."""


class _OursLoader(Loader):
    """A module with the public names of one of ours; for other names, those of the installed original."""

    def __init__(self, target: str) -> None:
        self._target = target

    def exec_module(self, module: ModuleType) -> None:
        """Fill it."""
        ours = importlib.import_module(self._target)
        module.__doc__ = ours.__doc__
        module.__dict__.update({name: getattr(ours, name) for name in ours.__all__})
        module.__dict__["__getattr__"] = _Missing(module.__name__)


class _Missing:
    """A module's ``__getattr__``: looks a name up in the installed original's module of the same name."""

    def __init__(self, module_name: str) -> None:
        self._module_name = module_name
        self._original: ModuleType | None = None

    def __call__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        module = self._load()
        try:
            return getattr(module, name)
        except AttributeError:
            have = f"the installed {ORIGINAL!r} does not have it either" if module else f"{ORIGINAL!r} is not installed"
            raise AttributeError(
                f"{self._module_name} has no {name!r} here: rena_graph does not bring it, and {have}"
            ) from None

    def _load(self) -> ModuleType | None:
        """The original's module, under a name of its own."""
        if self._original is None:
            private = f"_rena_graph_original_{self._module_name.replace('.', '_')}"
            for folder in CompatFinder()._folders(f"{ORIGINAL}.{self._module_name.split('.')[1]}"):
                file = Path(folder, self._module_name.rpartition(".")[2] + ".py")
                spec = importlib.util.spec_from_file_location(private, file) if file.is_file() else None
                if spec is not None and spec.loader is not None:
                    self._original = importlib.util.module_from_spec(spec)
                    spec.loader.exec_module(self._original)
        return self._original


class _SameModuleLoader(Loader):
    """One module under a second name."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that the other name stands for."""
        module = importlib.import_module(self._target)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run; but the import system has just told it that it is somebody else."""
        module.__spec__ = self._spec


class _PylslLoader(Loader):
    """pylsl's own loader, after which its clock is made ours."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As pylsl's loader does."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """As pylsl's loader does, and the clock."""
        self._loader.exec_module(module)
        graph_clock.patch()
