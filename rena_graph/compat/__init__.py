"""The import names of PhysioLabXR, resolved to ours in a node's process."""
