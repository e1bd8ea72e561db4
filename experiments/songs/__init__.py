"""The songs of a configuration."""
