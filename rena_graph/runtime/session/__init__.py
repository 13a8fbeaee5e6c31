"""The frame around a run: the process that starts and ends Ray, and the reaper that leaves nothing behind."""

LET_GO = b"let go\n"
"""What a launcher writes to the session process that is to go on without it."""
AHEAD = "--ahead"
"""Instead of a run's setup file: the session process is told later which run it is for."""
