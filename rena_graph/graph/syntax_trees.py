"""Syntax trees of scripts are made one at a time, and without a word."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["making_trees"]

_ONE = threading.RLock()


@contextmanager
def making_trees() -> Iterator[None]:
    """Hold this around ``ast.parse``; what Python says of a script's style, such as an invalid escape, is left out.

    Up to CPython 3.11 all threads count the depth of their trees in one place, and two that parse at once fail with
    "SystemError: AST constructor recursion depth mismatch" (seen with 3.11.7). Which warnings are heard is one setting
    for all threads, too.
    """
    with _ONE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
