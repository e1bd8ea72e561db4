"""Kills, bad inputs, full disks and attacks: what the commands promise, tried and counted."""
