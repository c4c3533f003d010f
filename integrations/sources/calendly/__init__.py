"""Calendly: signed webhooks in, and its API v2 to read a booking again."""
