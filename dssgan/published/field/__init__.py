"""Checkpoints of separators that others trained in PyTorch, a file per system."""
