"""Windows, inputs, outputs, stamps, parameters."""
