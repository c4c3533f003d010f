"""When the nightly work is due."""

from datetime import UTC, datetime, time, timedelta

from django.conf import settings


def last_night(now: datetime) -> datetime:
    """Return the last moment (UTC) at which the nightly work was due."""
    at = time.fromisoformat(settings.BACKFILL_NIGHTLY_AT)
    today = datetime.combine(now.astimezone(UTC).date(), at, tzinfo=UTC)
    return today if today <= now else today - timedelta(days=1)
