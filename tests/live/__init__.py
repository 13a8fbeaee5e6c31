"""Live proofs: graphs among neighbours that know nothing of them, each a process of its own."""
