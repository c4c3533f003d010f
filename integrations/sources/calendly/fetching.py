"""One object of Calendly's, asked for by its URI.

Source: https://developer.calendly.com/api-docs (GET /scheduled_events/{uuid} and its like)
"""

import re
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from bookings.snapshots import MeetingSnapshot, Snapshot
from integrations.errors import PermanentError
from integrations.sources.calendly.client import CalendlyClient, NotFoundError
from integrations.sources.calendly.payloads.answers import meeting_of_answers, read_object

_BOOKING = re.compile(r"/scheduled_events/([A-Za-z0-9_-]+)(?:/invitees/[A-Za-z0-9_-]+)?/?$")
_OTHERS = re.compile(
    r"/(users|event_types|organization_memberships|groups|group_relationships|routing_forms|routing_form_submissions)"
    r"/([A-Za-z0-9_-]+)/?$"
)


def fetch(client: CalendlyClient, *, uri: str, observed_at: datetime) -> Snapshot | None:
    """Return one object as it is at Calendly, an invitee as its whole booking; None when it does not exist there.

    Only the path of the URI is asked for, never its host. `observed_at` is the moment before the first call: what is
    true later must win.

    Raises:
        PermanentError: the URI names nothing that Calendly can be asked about, or the answer is unusable.
        TemporaryError, ConfigurationError: see `integrations.errors`.
    """
    path = urlsplit(uri).path
    if booking := _BOOKING.search(path):
        booking_uri = uri.partition("/invitees/")[0]
        return _fetch_meeting(client, booking[1], booking_uri=booking_uri, at=observed_at)
    if other := _OTHERS.search(path):
        return _fetch_object(client, path=f"/{other[1]}/{other[2]}", at=observed_at)
    raise PermanentError(
        f"“{uri}” names nothing that Calendly can be asked about.",
        hint="Nothing to do: what came without an address of its own, as from test tools, cannot be read again.",
    )


def _fetch_meeting(
    client: CalendlyClient, key: str, *, booking_uri: str, at: datetime
) -> MeetingSnapshot | None:
    path = f"/scheduled_events/{key}"
    try:
        event = client.get(path).child("resource")
        invitees = [item.raw for item in client.collect(f"{path}/invitees")]
    except NotFoundError:
        return None
    meeting = meeting_of_answers(event.raw, invitees, booking_uri=booking_uri, observed_at=at)
    if meeting is None:
        raise PermanentError(f"Calendly's answer about {booking_uri} lacks a start or an end.")
    return replace(meeting, complete=True)


def _fetch_object(client: CalendlyClient, *, path: str, at: datetime) -> Snapshot | None:
    item = client.find(path)
    if item is None:
        return None
    snapshot = read_object(item, now=at)
    if snapshot is None:
        raise PermanentError(f"Calendly's answer about {path} lacks what names it.")
    return snapshot
