"""What the page of a backfill shows: how far it is, what it read, and what it found."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from bookings.covering import cover
from bookings.discretion import Discretion
from integrations import backfill
from integrations.admin.backfill_report import report
from integrations.admin.words import duration
from integrations.models import BackfillRun, Connection

State = BackfillRun.State


def page(run: BackfillRun, *, request: HttpRequest) -> dict[str, Any]:
    """Return the template context of a run's page."""
    asked = {name: request.GET.get(name, "") for name in ("verdict", "kind")}
    discretion = Discretion.of(request.user)
    found = report(run, **asked, page=request.GET.get("page", "1"), discretion=discretion)
    return {
        **progress(run, discretion=discretion),
        "report": found,
        "title": f"Backfill #{run.pk}",
        "again_url": _again_url(run),
    }


def _again_url(run: BackfillRun) -> str:
    """Return the address of the form, filled in to run the same for real."""
    given = {
        "connection": run.connection_id,
        "first_day": run.window_from.date(),
        "last_day": (run.window_to - timedelta(microseconds=1)).date(),
        "host": run.host_id,
        "event_type": run.event_type_id,
        "invitees": run.invitees,
    }
    asked = urlencode({name: value for name, value in given.items() if value})
    return f"{reverse('admin:integrations_backfillrun_add')}?{asked}"


def progress(run: BackfillRun, *, discretion: Discretion) -> dict[str, Any]:
    """Return the context of the part that changes while a run goes on."""
    now = timezone.now()
    cover(run, discretion, follow=True)
    is_live = run.state in BackfillRun.UNFINISHED
    known = backfill.progress(run, now=now)
    fraction = 1.0 if run.state in {State.DONE, State.PARTIAL} else known.fraction
    left = known.seconds_left
    return {
        "run": run,
        "is_live": is_live,
        "phase": known.phase,
        "percent": None if fraction is None else int(fraction * 100),
        "spoken_percent": None if fraction is None else int(fraction * 10) * 10,
        "left": duration(left) if is_live and left is not None else "",
        "waits_until": run.not_before if is_live and run.not_before and run.not_before > now else None,
        "is_paused": is_live and run.connection.state == Connection.State.PAUSED,
        "took": took(run, now=now),
    }  # fmt: skip


def took(run: BackfillRun, *, now: datetime) -> str:
    """Say for how long a run went on, or has gone on so far."""
    if run.started_at is None:
        return "-"
    return duration(((run.finished_at or now) - run.started_at).total_seconds())
