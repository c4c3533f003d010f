"""Calendly read page by page, for a backfill.

Its lists know no "changed since": bookings are read by a window of start times, the directory whole.
Source: https://developer.calendly.com/api-docs (GET /scheduled_events and the other lists)
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from django.utils import timezone

from bookings.snapshots import MeetingSnapshot, Snapshot
from integrations.errors import PermanentError
from integrations.http import HttpClient
from integrations.models import Account
from integrations.sources.calendly import fetching
from integrations.sources.calendly.client import (
    AnswerPage,
    CalendlyClient,
    InvalidArgumentError,
    Priority,
)
from integrations.sources.calendly.payloads.answers import meeting_of_answers, read_object
from integrations.sources.calendly.reach import (
    has_routing_forms,
    leads,
    may_read,
    scope_of,
    target_of,
)
from integrations.sources.reading import (
    BookingPage,
    Cursor,
    Page,
    Reader,
    StaleCursorError,
    Unreadable,
    Window,
)

_LACKING = "It lacks what names it: a URI, or a start and an end."


class CalendlyReader(Reader):
    """Read one account, leaving the reserve of its request budget to live traffic."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._http = HttpClient()
        self._client = CalendlyClient.for_account(
            account, http=self._http, priority=Priority.BACKGROUND
        )
        self._lists: dict[str, Callable[[Cursor], Page]] = {
            "organization_memberships": self._read_memberships,
            "groups": self._read_of_organization("/groups"),
            "group_relationships": self._read_of_organization("/group_relationships"),
            "event_types": self._read_event_types,
            "routing_forms": self._read_of_organization("/routing_forms"),
            "routing_form_submissions": self._read_submissions,
        }

    @property
    def phases(self) -> tuple[str, ...]:
        """Return what this account may list, in the order of what refers to what."""
        closed = set()
        if not (leads(self._account) and may_read(self._account, "groups")):
            closed |= {"groups", "group_relationships"}
        if not has_routing_forms(self._account):
            closed |= {"routing_forms", "routing_form_submissions"}
        return tuple(name for name in self._lists if name not in closed)

    @property
    def requests(self) -> int:
        """Return how many requests were sent so far."""
        return self._client.requests

    @property
    def host_uri(self) -> str:
        """Return whose bookings alone this account lists; an empty text for everybody's."""
        scope = scope_of(self._account)
        return target_of(self._account, scope) if scope == "user" else ""

    def read(self, phase: str, *, cursor: Cursor) -> Page:
        """Return a page of one of the phases."""
        return self._lists[phase](cursor)

    def read_bookings(self, window: Window, *, cursor: Cursor) -> BookingPage:
        """Return a page of bookings, the earliest start first."""
        at, page = timezone.now(), self._page("/scheduled_events", self._where(window), cursor)
        meetings, unreadable = [], []
        for item in page.items:
            uri = item.uri("uri")
            meeting = meeting_of_answers(item.raw, [], booking_uri=uri, observed_at=at)
            if meeting:
                meetings.append(meeting)
            else:
                unreadable.append(Unreadable(uri=uri, reason=_LACKING))
        return BookingPage(
            meetings=tuple(meetings), unreadable=tuple(unreadable), cursor=_next(page)
        )

    def read_invitees(self, meeting: MeetingSnapshot) -> MeetingSnapshot:
        """Return the meeting with all its invitees, as they are now."""
        booking = meeting.booking
        if booking is None:
            raise ValueError("A page of bookings holds no meeting without its booking.")
        at = timezone.now()
        path = f"/scheduled_events/{booking.uri.rsplit('/', 1)[-1]}/invitees"
        invitees = [item.raw for item in self._client.collect(path)]
        whole = meeting_of_answers(booking.raw, invitees, booking_uri=booking.uri, observed_at=at)
        if whole is None or len(whole.invitees) < len(invitees):
            raise PermanentError(f"An invitee of {booking.uri} cannot be read. {_LACKING}")
        return replace(whole, complete=True)

    def fetch(self, uri: str) -> Snapshot | None:
        """Return one object, or None when it does not exist there."""
        return fetching.fetch(self._client, uri=uri, observed_at=timezone.now())

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _where(self, window: Window) -> dict[str, str]:
        scope = scope_of(self._account)
        where = {scope: target_of(self._account, scope)}
        if window.host_uri:
            where |= {"organization": target_of(self._account, "organization")}
            where |= {"user": window.host_uri}
        return {
            **where,
            "min_start_time": _utc(window.start),
            "max_start_time": _utc(window.end),
            "sort": "start_time:asc",
        }

    def _read_memberships(self, cursor: Cursor) -> Page:
        return self._read_list("/organization_memberships", self._own(), cursor)

    def _read_event_types(self, cursor: Cursor) -> Page:
        return self._read_list("/event_types", self._own(), cursor)

    def _own(self) -> dict[str, str]:
        """Return whose people and event types may be listed."""
        scope = "organization" if leads(self._account) else "user"
        return {scope: target_of(self._account, scope)}

    def _read_of_organization(self, path: str) -> Callable[[Cursor], Page]:
        def read(cursor: Cursor) -> Page:
            organization = {"organization": target_of(self._account, "organization")}
            return self._read_list(path, organization, cursor)

        return read

    def _read_submissions(self, cursor: Cursor) -> Page:
        """Read the submissions of one form after another; the cursor holds the forms that are left."""
        forms = cursor["forms"].split() if cursor else self._forms()
        if not forms:
            return Page(snapshots=())
        page = self._read_list("/routing_form_submissions", {"form": forms[0]}, cursor)
        if page.cursor is not None:
            return replace(page, cursor={**page.cursor, "forms": " ".join(forms)})
        left = " ".join(forms[1:])
        return replace(page, cursor={"forms": left} if left else None)

    def _forms(self) -> list[str]:
        organization = {"organization": target_of(self._account, "organization")}
        return [form.text("uri") for form in self._client.collect("/routing_forms", organization)]

    def _read_list(self, path: str, params: Mapping[str, str], cursor: Cursor) -> Page:
        at, page = timezone.now(), self._page(path, params, cursor)
        read = [(item, read_object(item, now=at)) for item in page.items]
        return Page(
            snapshots=tuple(snapshot for _, snapshot in read if snapshot),
            unreadable=tuple(
                Unreadable(uri=item.uri("uri"), reason=_LACKING)
                for item, snapshot in read
                if snapshot is None
            ),
            cursor=_next(page),
        )

    def _page(self, path: str, params: Mapping[str, str], cursor: Cursor) -> AnswerPage:
        token = cursor.get("page_token", "")
        try:
            return self._client.page(path, params, token=token)
        except InvalidArgumentError as error:
            if token and "page_token" in error.parameters:
                raise StaleCursorError(str(error)) from error
            raise


def _next(page: AnswerPage) -> Cursor | None:
    return {"page_token": page.next_token} if page.next_token else None


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
