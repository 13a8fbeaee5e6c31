"""The import of PhysioLabXR's presets."""
