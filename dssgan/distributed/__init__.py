"""Several machines and devices that train together."""
