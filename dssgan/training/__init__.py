"""What every phase of training needs."""
