"""The frame around a run: the process that starts and ends Ray, and the reaper that leaves nothing behind."""
