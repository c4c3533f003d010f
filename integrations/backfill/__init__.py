"""Backfills: a source read again, page by page, and what webhooks had missed.

`requests` holds the rows (asked for, stopped, resumed, claimed), `working` does what a claimed one asks, `ledger` writes
each step with how far it came.
"""

from integrations.backfill.requests import (
    Progress,
    due,
    progress,
    request_stop,
    resume,
    start,
    start_nightly,
    start_usual,
    usual_window,
)
from integrations.backfill.working import drain, drain_run

__all__ = [
    "Progress",
    "drain",
    "drain_run",
    "due",
    "progress",
    "request_stop",
    "resume",
    "start",
    "start_nightly",
    "start_usual",
    "usual_window",
]
