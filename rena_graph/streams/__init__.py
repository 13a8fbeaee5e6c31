"""What flows: stream specifications, chunks, the script's inputs, outputs and parameters."""
