"""Configurations: schema, reading, rules, changes."""
