"""Doors out: one folder per system that meetings are carried to."""
