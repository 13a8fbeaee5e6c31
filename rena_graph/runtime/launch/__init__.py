"""The launcher's side of a run: starts it, speaks with it, knows how it ended."""
