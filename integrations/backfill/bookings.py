"""The steps of a backfill over the bookings: a page, what differs from the mirror, and what the page does not show."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import transaction

from bookings.erasure import forget_erased
from bookings.reconcile import reconcile_bookings
from bookings.snapshots import BookingSnapshot, MeetingSnapshot
from integrations.backfill import mirrored
from integrations.backfill.ledger import Ledger, StopRequestedError
from integrations.backfill.mirrored import Reread
from integrations.errors import AccessError, IntegrationError, PermanentError, TemporaryError
from integrations.models import BackfillRun
from integrations.sources.reading import BookingPage, Reader, StaleCursorError, Window


@dataclass(slots=True)
class _Read:
    """Hold what was read of a page: meetings with their invitees, and those that could not be read."""

    meetings: list[MeetingSnapshot] = field(default_factory=list)
    refused: list[tuple[str, IntegrationError]] = field(default_factory=list)

    def uris(self) -> list[str]:
        """Return the bookings that need not be looked at again when the page is."""
        return [*(_booking(meeting).uri for meeting in self.meetings), *(uri for uri, _ in self.refused)]  # fmt: skip


def read_page(ledger: Ledger, reader: Reader) -> None:
    """Read one page of bookings, and the invitees of those that differ; leave what to ask about by name.

    Raises:
        TemporaryError: the provider was not to be asked further; what it had answered is written.
        StopRequestedError: so did a person; the same.
    """
    checkpoint = ledger.run.checkpoint
    try:
        page = reader.read_bookings(_window(ledger), cursor=checkpoint.get("cursor", {}))
    except StaleCursorError:
        ledger.keep(checkpoint={**checkpoint, "cursor": {}})
        return
    meetings = [meeting for meeting in page.meetings if _is_wanted(ledger, meeting)]
    read = _Read()
    try:
        for meeting in _differing(ledger, meetings):
            _read_invitees(ledger, reader, meeting, into=read)
    except (TemporaryError, StopRequestedError):
        _write(ledger, read)
        raise
    _write(ledger, read, page=page, bookings=len(meetings), reader=reader)


def _differing(ledger: Ledger, meetings: Sequence[MeetingSnapshot]) -> list[MeetingSnapshot]:
    """Return the meetings whose invitees have to be read; the mirror is compared with what it may hold of them.

    Those of them that an interrupted look at this page has passed are not read again.
    """
    passed = set(ledger.run.checkpoint.get("passed", ()))
    fit = forget_erased([meeting for meeting in meetings if _booking(meeting).uri not in passed])
    found = mirrored.differing(fit, now=ledger.clock(), reread=_reread(ledger))
    uris = {_booking(meeting).uri for meeting in found}
    return [meeting for meeting in meetings if _booking(meeting).uri in uris]


def _reread(ledger: Ledger) -> Reread | None:
    """Return which invitees the run reads although their booking is as it was."""
    run = ledger.run
    match run.invitees:
        case BackfillRun.Invitees.PAST:
            return Reread(read_before=run.created_at, ended_before=ledger.clock())
        case BackfillRun.Invitees.ALL:
            return Reread(read_before=run.created_at, ended_before=None)
        case _:
            return None


def _window(ledger: Ledger) -> Window:
    run = ledger.run
    reached = run.checkpoint.get("boundary")
    restarted = reached and not run.checkpoint.get("cursor")
    return Window(
        start=datetime.fromisoformat(reached) if restarted else run.window_from,
        end=run.window_to,
        host_uri=run.host.uri if run.host else "",
    )


def _is_wanted(ledger: Ledger, meeting: MeetingSnapshot) -> bool:
    """Tell whether the run is about this booking: lists cannot be asked by event type."""
    wanted = ledger.run.event_type
    return wanted is None or _booking(meeting).event_type_uri == wanted.uri


def _read_invitees(
    ledger: Ledger, reader: Reader, meeting: MeetingSnapshot, *, into: _Read
) -> None:
    """Add a meeting with its invitees, or why they cannot be read.

    The page itself could be read just now. So where it is always the same booking that fails, and nothing came before
    it, the booking is at fault and not the provider.
    """
    ledger.breathe()
    if _booking(meeting).invitees_total == 0:
        into.meetings.append(replace(meeting, complete=True))
        return
    try:
        into.meetings.append(reader.read_invitees(meeting))
    except (PermanentError, AccessError) as error:
        into.refused.append((_booking(meeting).uri, error))
    except TemporaryError as error:
        if into.uris() or not ledger.gives_up(error):
            raise
        into.refused.append((_booking(meeting).uri, error))


@transaction.atomic
def _write(
    ledger: Ledger,
    read: _Read,
    *,
    page: BookingPage | None = None,
    bookings: int = 0,
    reader: Reader | None = None,
) -> None:
    """Write what was read; with a page, go on behind it."""
    run = ledger.run
    results = ledger.batch(
        read.meetings,
        lambda meetings: [reconcile_bookings(meetings, origin=ledger.origin)],
        uri=lambda meeting: _booking(meeting).uri,
    )
    changed = run.changed + len({uri for result in results for uri in result.changed_bookings})
    _record(ledger, read.refused)
    if page and reader:
        _record(ledger, ((item.uri, PermanentError(item.reason)) for item in page.unreadable))
        ledger.keep(
            results, changed=changed, errors=run.errors, pages=run.pages + 1, bookings=run.bookings + bookings,
            checkpoint=_behind(ledger, page, host_uri=_host_uri(ledger, reader)),
        )  # fmt: skip
    else:
        passed = [*run.checkpoint.get("passed", ()), *read.uris()]
        ledger.keep(
            results, progressed=bool(read.meetings), changed=changed, errors=run.errors,
            checkpoint={**run.checkpoint, "passed": passed},
        )  # fmt: skip


def _record(ledger: Ledger, refused: Iterable[tuple[str, IntegrationError]]) -> None:
    for uri, error in refused:
        ledger.problem(uri, error)


def _behind(ledger: Ledger, page: BookingPage, *, host_uri: str) -> dict[str, object]:
    """Return the checkpoint behind a page: its boundary, what was seen on it, and what is missing before it."""
    run, checkpoint = ledger.run, ledger.run.checkpoint
    shown = [_booking(meeting) for meeting in page.meetings]
    began = datetime.fromisoformat(checkpoint["boundary"]) if checkpoint.get("boundary") else run.window_from  # fmt: skip
    ended = shown[-1].start_at if page.cursor is not None and shown else None
    ended = ended or (began if page.cursor is not None else run.window_to)
    ask = mirrored.unlisted_bookings(
        account=run.connection.account, start=began, end=ended, host_uri=host_uri,
        seen={booking.uri for booking in shown} | set(checkpoint.get("edge", ())) | {u.uri for u in page.unreadable},
        event_type_id=run.event_type_id,
    )  # fmt: skip
    edge = [booking.uri for booking in shown if booking.start_at >= ended]
    if ended == began:
        edge += checkpoint.get("edge", [])
    return {
        "cursor": dict(page.cursor or {}), "last": page.cursor is None,
        "boundary": ended.isoformat(), "edge": edge, "ask": ask,
    }  # fmt: skip


def _host_uri(ledger: Ledger, reader: Reader) -> str:
    return ledger.run.host.uri if ledger.run.host else reader.host_uri


def _booking(meeting: MeetingSnapshot) -> BookingSnapshot:
    if meeting.booking is None:
        raise ValueError("A page of bookings holds no meeting without its booking.")
    return meeting.booking
