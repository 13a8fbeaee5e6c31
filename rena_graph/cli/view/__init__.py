"""What the command line shows of a run: pure functions from a status to text or to a rich renderable."""
