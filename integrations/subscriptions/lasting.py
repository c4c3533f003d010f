"""How soon a subscription that died is replaced: at once, unless those before it died as quickly."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from integrations.models import WebhookSubscription

_DAY = timedelta(days=1)
#: So many deaths within a day are mended at once. After that something else ends what is made, an installation with the
#: same public URL perhaps, and the rests between double: no endless chain, and no backfill after each link.
_AT_ONCE = 2
_SHORTEST_REST, _LONGEST_REST = timedelta(minutes=10), timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Say until when nothing is made, and how many died within a day."""

    until: datetime
    died: int

    def __str__(self) -> str:
        return (
            f"{self.died + 1} died within a day: another installation may have the same CALSYNC_PUBLIC_URL, or somebody "
            f"deletes them. The next is made at {self.until:%H:%M} UTC; Subscribe makes one now."
        )


def rest_of(row: WebhookSubscription, *, now: datetime) -> Rest | None:
    """Return the rest that the replacement of a dead row has to take, or took; None if it may be made at once.

    One that was replaced while it was well, as a rotation does, did not die.
    """
    same = row.connection.subscriptions.filter(managed=True, purpose=row.purpose).exclude(uri="")
    died = same.filter(retired_at__gt=now - _DAY).exclude(retired_at=F("well_at")).count()
    if died < _AT_ONCE:
        return None
    newest = max(same.values_list("created_at", flat=True), default=row.created_at)
    doubled = _SHORTEST_REST * 2 ** min(died - _AT_ONCE, 8)
    return Rest(until=newest + min(doubled, _LONGEST_REST), died=died)
