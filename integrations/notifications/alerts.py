"""What needs a person, as it happens: each finder looks at one kind of trouble and names it by a key.

The key holds what makes it news: the moment of a change, or the day on which the same cause is told once. One more kind of
trouble is one more finder in `FINDERS`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q

from integrations import allowance
from integrations.causes import digest_of
from integrations.failures import failed_between, grouped
from integrations.models import BackfillRun, Connection, Rule, WebhookSubscription
from integrations.notifications.days import bounds
from integrations.notifications.links import page

#: How the keys begin that tell of a rule's pause and of its end; what follows is the same in both.
RULE_PAUSED, RULE_RESUMED = "rule-paused:", "rule-resumed:"

#: How long a connection may fail before it is told: a short outage heals by itself.
PATIENCE = timedelta(minutes=10)

State = Connection.State
_MEND = "Mend what the rule names."


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Say since when a channel looks for news, until when, and whose days count; nothing from before `told_from` is told."""

    told_from: datetime
    since: datetime
    now: datetime
    zone: ZoneInfo

    def day(self, at: datetime) -> date:
        """Return the day of a moment by the channel's clock."""
        return at.astimezone(self.zone).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Hold one piece of news; `at` is when it happened, `content` what its words are made from."""

    key: str
    at: datetime
    about: int
    content: Mapping[str, Any] = field(default_factory=dict)
    wait: timedelta = timedelta(0)


def alerts(window: Window) -> list[Alert]:
    """Return what there is to tell now; what was told already has the same key again."""
    return [alert for finder in FINDERS for alert in finder(window)]


def _connections(window: Window) -> Iterator[Alert]:
    """Tell of connections that an error paused, and of those that have failed for a while."""
    troubled = Connection.objects.exclude(state=State.HEALTHY).filter(
        state_changed_at__isnull=False
    )
    for row in troubled:
        at: Any = row.state_changed_at
        if row.state == State.PAUSED and not row.paused_by:
            yield _state_alert(row, "paused", at=at, title=f"{row} is paused")
        elif row.state == State.DEGRADED and window.now - at >= PATIENCE:
            yield _state_alert(row, "failing", at=at, title=f"{row} does not answer")


def _state_alert(row: Connection, word: str, *, at: datetime, title: str) -> Alert:
    hint = row.state_hint or "Mend the connection, then resume it."
    content = _said(title, row.state_reason, detail=hint, url=page(Connection, row.pk), at=at)
    return Alert(key=f"{word}:{row.pk}:{stamp(at)}", at=at, about=row.pk, content=content)


def _rules(window: Window) -> Iterator[Alert]:
    """Tell of rules that paused because their target is gone."""
    paused = Rule.objects.filter(paused_at__isnull=False, enabled=True)
    for row in paused.select_related("connection"):
        at: Any = row.paused_at
        content = _said(
            f"The rule “{row}” of {row.connection} is paused", row.paused_reason,
            detail=f"{row.paused_hint or _MEND} Then resume the rule: what waits is sent.",
            url=page(Rule, row.pk), at=at,
        )  # fmt: skip
        key = f"{RULE_PAUSED}{row.pk}:{stamp(at)}"
        yield Alert(key=key, at=at, about=row.connection_id, content=content)


def _failures(window: Window) -> Iterator[Alert]:
    """Tell of deliveries that failed, once a day for each connection and cause."""
    day, gathered = window.day(window.since), timedelta(seconds=settings.ALERT_GATHER_SECONDS)
    while day <= window.day(window.now):
        begins, ends = bounds(day, window.zone)
        for group in grouped(failed_between(max(begins, window.since), ends)):
            digest = digest_of(group.cause)
            content = {
                "failed": {
                    "failure_class": group.failure_class, "cause": digest,
                    "from": max(begins, window.told_from).isoformat(), "to": ends.isoformat(),
                }
            }  # fmt: skip
            key = f"failed:{group.connection_id}:{group.failure_class}:{digest}:{day}"
            yield Alert(key=key, at=group.last_at, about=group.connection_id, content=content, wait=gathered)  # fmt: skip
        day += timedelta(days=1)


def _backfills(window: Window) -> Iterator[Alert]:
    """Tell of backfills that failed, or read not everything."""
    bad = [BackfillRun.State.FAILED, BackfillRun.State.PARTIAL]
    ended = BackfillRun.objects.filter(state__in=bad, finished_at__gte=window.since)
    for run in ended.select_related("connection"):
        at: Any = run.finished_at
        how = "failed" if run.state == BackfillRun.State.FAILED else "could not read everything"
        said = run.error or f"{run.errors} objects could not be read; its page says which and why."
        hint = run.hint or "The next run tries them again."
        content = _said(
            f"A backfill of {run.connection} {how}", said, detail=hint, url=page(BackfillRun, run.pk), at=at
        )  # fmt: skip
        yield Alert(key=f"backfill:{run.pk}:{stamp(at)}", at=at, about=run.connection_id, content=content)  # fmt: skip


def _subscriptions(window: Window) -> Iterator[Alert]:
    """Tell, once a day, of subscriptions that the provider disabled or no longer has."""
    states = WebhookSubscription.State
    gone = Q(state=states.MISSING, retired_at=None) & ~Q(uri="")
    rows = WebhookSubscription.objects.filter(
        Q(state=states.DISABLED) | gone, checked_at__gte=window.since
    )
    for row in rows.select_related("connection"):
        at: Any = row.checked_at
        how = "is disabled" if row.state == states.DISABLED else "is gone"
        said = row.problem or "Nothing arrives through it."
        hint = "The watchdog replaces it and reads the gap." if row.managed else ""
        content = _said(
            f"A webhook subscription of {row.connection} {how}", said, detail=hint,
            url=page(WebhookSubscription, row.pk), at=at,
        )  # fmt: skip
        key = f"subscription:{row.pk}:{window.day(at)}"
        yield Alert(key=key, at=at, about=row.connection_id, content=content)


def _allowances(window: Window) -> Iterator[Alert]:
    """Tell, once a day, of connections whose request allowance is nearly used up."""
    for row in Connection.objects.exclude(usage={}):
        _, at = allowance.told(row)
        if at is not None and allowance.is_held(row, now=window.now):
            content = _said(
                f"{row} is nearly out of requests", allowance.in_words(row, now=window.now),
                detail="Nothing to do, unless something else uses them up.", url=page(Connection, row.pk), at=at,
            )  # fmt: skip
            key = f"allowance:{row.pk}:{window.day(at)}"
            yield Alert(key=key, at=at, about=row.pk, content=content)


def stamp(at: datetime) -> str:
    """Return a moment as it stands in a key."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


def _said(title: str, text: str, *, detail: str, url: str, at: datetime) -> dict[str, str]:
    return {"title": title, "text": text, "detail": detail, "url": url, "at": at.isoformat()}


FINDERS: tuple[Callable[[Window], Iterator[Alert]], ...] = (
    _connections, _rules, _failures, _backfills, _subscriptions, _allowances,
)  # fmt: skip
