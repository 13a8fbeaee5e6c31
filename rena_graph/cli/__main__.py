"""``python -m rena_graph.cli``: the same as ``rena-graph``."""

from __future__ import annotations

import sys

from rena_graph.cli import main

if __name__ == "__main__":
    sys.exit(main())
