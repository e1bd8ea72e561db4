"""Where a source plays."""
