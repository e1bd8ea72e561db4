"""PyTorch's files, read without PyTorch and without running anything."""
