"""Tests of what moves chunks between processes."""
