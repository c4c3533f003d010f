"""How long ago something was, to the second while that matters. Pure."""

from datetime import datetime

from django.utils.timesince import timesince


def ago(at: datetime, *, now: datetime) -> str:
    """Say how long ago a moment was: "4 s ago" or "3 minutes ago"."""
    seconds = max(0, int((now - at).total_seconds()))
    return f"{seconds} s ago" if seconds < 60 else f"{timesince(at, now, depth=1)} ago"
