"""The coordinator: decisions as a pure state machine, and the thin shell that carries them out."""
