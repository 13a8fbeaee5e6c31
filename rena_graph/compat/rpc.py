"""``physiolabxr.rpc.decorator``: marks the methods of a script that are meant to be called from outside."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["async_rpc", "rpc", "rpc_methods"]

_MARK = "__rena_graph_rpc__"
_Method = TypeVar("_Method", bound=Callable[..., Any])


def rpc(method: _Method) -> _Method:
    """Mark a method; it stays what it is."""
    return _marked(method, "rpc")


def async_rpc(method: _Method) -> _Method:
    """Mark a method that is called without waiting for it; it stays what it is."""
    return _marked(method, "async_rpc")


def rpc_methods(script: type) -> dict[str, str]:
    """The marked methods of a class, with ``'rpc'`` or ``'async_rpc'``, in the order of their names."""
    found = inspect.getmembers(script, lambda member: isinstance(getattr(member, _MARK, None), str))
    return {name: getattr(member, _MARK) for name, member in found}


def _marked(method: _Method, kind: str) -> _Method:
    if not callable(method):
        raise TypeError(f"@{kind} stands before a method, without arguments; not before {method!r}")
    setattr(method, _MARK, kind)
    return method
