"""Songs as scoring tasks."""
