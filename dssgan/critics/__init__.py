"""The critics by name: one line per critic."""

CRITICS: dict[str, type] = {}
