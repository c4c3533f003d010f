"""Make the words of a notification when it is sent, from what is true then."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Max, QuerySet
from django.utils.dateparse import parse_datetime

from integrations.causes import digest_of
from integrations.connectors.base import Notice, NoticeLine, NoticeSection, Skip
from integrations.failures import Group, failed_between, grouped, newest_of
from integrations.models import Connection, Delivery, MatchReview, Notification, NotificationChannel
from integrations.notifications.agenda import agenda
from integrations.notifications.days import zone_of
from integrations.notifications.links import caused, home, listed
from integrations.notifications.report import Report

Kind = Notification.Kind

#: What the key of a message has that a person asked for, beside the daily one.
BY_HAND = ":by-hand:"

_FIRST_REPORT = timedelta(days=1)
_LONGEST_REPORT = timedelta(days=7)
_MOST_ACKNOWLEDGED = 150


def compose(row: Notification, *, now: datetime) -> Notice | Skip:
    """Return what is told, or why there is nothing to tell any more."""
    key = f"{row.channel_id}:{row.key}"
    match row.kind:
        case Kind.AGENDA:
            found = agenda(row.channel, day=date.fromisoformat(row.content["day"]), key=key)
            return found or Skip(reason="Nothing is booked for this day.")
        case Kind.HEALTH:
            return _report(row.channel, key=key, now=now)
        case Kind.TEST:
            return _test(row.channel, key=key)
    return _failures(row, key=key) if "failed" in row.content else _said(row.content, key=key)


def preview(
    channel: NotificationChannel, kind: Notification.Kind, *, now: datetime
) -> Notice | Skip:
    """Return a digest as it would be now; nothing is written or sent."""
    today = now.astimezone(zone_of(channel.time_zone)).date()
    unsaved = Notification(channel=channel, kind=kind, key="preview", content={"day": today.isoformat()})  # fmt: skip
    return compose(unsaved, now=now)


def _report(channel: NotificationChannel, *, key: str, now: datetime) -> Notice:
    told = channel.notifications.filter(kind=Kind.HEALTH, state=Notification.State.SENT)
    told = told.exclude(key__contains=BY_HAND)
    last = told.aggregate(last=Max("settled_at"))["last"] if channel.pk else None
    since = max(last, now - _LONGEST_REPORT) if last else now - _FIRST_REPORT
    day = now.astimezone(zone_of(channel.time_zone)).date()
    return Report(since=since, now=now).notice(title=f"Calsync on {day:%A}, {day.day} {day:%B}", key=key)  # fmt: skip


def _test(channel: NotificationChannel, *, key: str) -> Notice:
    line = NoticeLine(text=f"The channel {channel} reaches you.", detail="Somebody pressed Send a test.")  # fmt: skip
    section = NoticeSection(heading="Test", lines=(line,))
    return Notice(key=key, title="Calsync: a test", sections=(section,), url=home())


def _said(content: Any, *, key: str) -> Notice:
    line = NoticeLine(
        text=content["text"] or content["title"], detail=content["detail"], url=content["url"],
        at=parse_datetime(content["at"]),
    )  # fmt: skip
    return Notice(
        key=key, title=content["title"], sections=(NoticeSection(heading="", lines=(line,)),), url=content["url"]
    )  # fmt: skip


def _failures(row: Notification, *, key: str) -> Notice | Skip:
    """Tell how many failed of one cause on one day, as far as nobody has mended them meanwhile."""
    asked = row.content["failed"]
    since, until = (datetime.fromisoformat(asked[name]) for name in ("from", "to"))
    failed = failed_between(since, until).filter(connection=row.about, failure_class=asked["failure_class"])  # fmt: skip
    found = next((one for one in grouped(failed) if digest_of(one.cause) == asked["cause"]), None)
    if found is None or row.about is None:
        return Skip(reason="They have been sent again or acknowledged meanwhile.")
    return Notice(
        key=key, title=_failed_title(found, row.about), url=_failed_list(found),
        sections=(NoticeSection(heading="", lines=(_failed_line(found, failed),)),),
    )  # fmt: skip


def _failed_title(group: Group, connection: Connection) -> str:
    number = group.count
    what = f"{number} {'delivery' if number == 1 else 'deliveries'} to {connection}"
    if group.is_question:
        return f"{what} {'waits' if number == 1 else 'wait'} for your answer"
    return f"{what} failed"


def _failed_line(group: Group, failed: QuerySet[Delivery]) -> NoticeLine:
    """Return the line, with the deliveries that a button acknowledges; a question is answered, not acknowledged."""
    alike = failed.none() if group.is_question else failed.filter(cause=group.cause)
    seen = newest_of(alike, each=_MOST_ACKNOWLEDGED).get(group.key, ())
    return NoticeLine(
        text=group.cause, detail=group.hint, url=_failed_list(group), at=group.last_at, acknowledges=seen
    )  # fmt: skip


def _failed_list(group: Group) -> str:
    if group.is_question:
        return listed(MatchReview, state__exact="open", connection__id__exact=group.connection_id)
    return caused(connection_id=group.connection_id, failure_class=group.failure_class, cause=group.cause)  # fmt: skip
