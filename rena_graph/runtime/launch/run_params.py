"""``run.params``: the parameters of a running graph's nodes, as mappings."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, Protocol

__all__ = ["NodeParams", "RunParams"]


class ChangesParams(Protocol):
    """A run, as far as this module needs it."""

    def change_params(
        self,
        node: str,
        *,
        set: dict[str, Any] | None = None,
        add: dict[str, Any] | None = None,
        remove: Sequence[str] = (),
    ) -> dict[str, Any]:
        """See :meth:`rena_graph.runtime.launch.client.Run.change_params`."""
        ...


class RunParams:
    """``run.params``: a node's name gives its parameters."""

    def __init__(self, run: ChangesParams) -> None:
        self._run = run

    def __getitem__(self, node: str) -> NodeParams:
        return NodeParams(self._run, node)


class NodeParams(MutableMapping[str, Any]):
    """One node's parameters, read from and written to the running node."""

    def __init__(self, run: ChangesParams, node: str) -> None:
        self._run = run
        self._node = node

    def _values(self) -> dict[str, Any]:
        return self._run.change_params(self._node)

    def __getitem__(self, name: str) -> Any:
        return self._values()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._run.change_params(self._node, set={name: value})

    def __delitem__(self, name: str) -> None:
        self._run.change_params(self._node, remove=[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())
