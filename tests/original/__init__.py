"""PhysioLabXR itself, in an environment of its own, beside ours."""
