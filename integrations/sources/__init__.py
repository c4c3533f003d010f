"""Doors in: one folder per system that bookings come from."""
