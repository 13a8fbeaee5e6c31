"""The graph document: its schema, loading, checks and drawing."""
