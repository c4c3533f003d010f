"""Write down what there is to tell each channel: today's messages when they are due, news since the last look.

One transaction a channel; nothing is sent here. Two that look at once write each message once.
"""

import logging
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from integrations.models import Connection, Notification, NotificationChannel, Rule
from integrations.notifications.alerts import (
    RULE_PAUSED,
    RULE_RESUMED,
    Alert,
    Window,
    alerts,
    stamp,
)
from integrations.notifications.days import bounds, due_day, zone_of
from integrations.notifications.links import page
from integrations.notifications.notices import BY_HAND

logger = logging.getLogger(__name__)

Kind = Notification.Kind

#: How far a look reaches behind the last one: a row may be committed later than its time says.
_OVERLAP = timedelta(minutes=5)
#: How far it reaches at the most, after beat was away.
_FURTHEST = timedelta(days=3)


def plan(*, now: datetime) -> int:
    """Write what is to be told now; return how many messages are new."""
    channels = NotificationChannel.objects.filter(enabled=True).order_by("id")
    return sum(_plan(channel, now=now) for channel in channels)


def by_hand(
    channel: NotificationChannel, kind: Notification.Kind, *, now: datetime
) -> Notification:
    """Write one message that a person asks for: a test, or a digest of today, beside the daily one."""
    row = _digest(channel, kind, day=now.astimezone(zone_of(channel.time_zone)).date(), now=now)
    row.key = f"{kind}{BY_HAND}{stamp(now)}"
    row.save()
    return row


@transaction.atomic
def _plan(channel: NotificationChannel, *, now: datetime) -> int:
    rows = [*_digests(channel, now=now), *_news(channel, now=now)]
    NotificationChannel.objects.filter(pk=channel.pk).update(looked_at=now)
    if not rows:
        return 0
    told = set(
        channel.notifications.filter(key__in=[row.key for row in rows]).values_list(
            "key", flat=True
        )
    )
    new = [row for row in rows if row.key not in told]
    Notification.objects.bulk_create(new, ignore_conflicts=True)
    for row in new:
        logger.info("Notification planned: channel=%s kind=%s", channel.pk, row.kind)
    return len(new)


def _digests(channel: NotificationChannel, *, now: datetime) -> Iterator[Notification]:
    day = due_day(
        at=channel.at, zone=zone_of(channel.time_zone), weekdays_only=channel.weekdays_only,
        since=channel.told_from, now=now,
    )  # fmt: skip
    if day and channel.sends_agenda:
        yield _digest(channel, Kind.AGENDA, day=day, now=now)
    if day and channel.sends_health:
        yield _digest(channel, Kind.HEALTH, day=day, now=now)


def _digest(
    channel: NotificationChannel, kind: Notification.Kind, *, day: date, now: datetime
) -> Notification:
    _, ends = bounds(day, zone_of(channel.time_zone))
    return _row(channel, kind, key=f"{kind}:{day}", now=now, content={"day": day.isoformat()}, expires_at=ends)  # fmt: skip


def _news(channel: NotificationChannel, *, now: datetime) -> Iterator[Notification]:
    if not channel.sends_alerts:
        return
    since = max(channel.told_from, channel.looked_at - _OVERLAP, now - _FURTHEST)
    zone = zone_of(channel.time_zone)
    window = Window(told_from=channel.told_from, since=since, now=now, zone=zone)
    for alert in alerts(window):
        if alert.at >= channel.told_from:
            yield _alert(channel, alert, now=now)
    yield from _recoveries(channel, now=now)
    yield from _resumed_rules(channel, now=now)


def _alert(channel: NotificationChannel, alert: Alert, *, now: datetime) -> Notification:
    return _row(
        channel, Kind.ALERT, key=alert.key, now=now, content=dict(alert.content), about_id=alert.about,
        not_before=now + alert.wait,
    )  # fmt: skip


def _recoveries(channel: NotificationChannel, *, now: datetime) -> Iterator[Notification]:
    """Tell that a connection is well again where the channel was told that it was not."""
    last = {
        (row["about"], row["kind"]): row["last"]
        for row in _of_states(channel).values("about", "kind").order_by().annotate(last=Max("pk"))
    }
    over = {about: pk for (about, kind), pk in last.items() if kind == Kind.ALERT and pk > last.get((about, Kind.RECOVERY), 0)}  # fmt: skip
    for connection in Connection.objects.filter(pk__in=over) if over else ():
        at = connection.state_changed_at or now
        content = {
            "title": f"{connection} works again", "text": "Everything that waited goes on.", "detail": "",
            "url": page(Connection, connection.pk), "at": at.isoformat(),
        }  # fmt: skip
        key = f"recovered:{connection.pk}:{over[connection.pk]}"
        yield _row(
            channel, Kind.RECOVERY, key=key, now=now, content=content, about_id=connection.pk
        )


def _resumed_rules(channel: NotificationChannel, *, now: datetime) -> Iterator[Notification]:
    """Tell that a rule goes on where the channel was told that it was paused."""
    of_rules = Q(key__startswith=RULE_PAUSED) | Q(key__startswith=RULE_RESUMED)
    rows = channel.notifications.filter(of_rules, created_at__gte=channel.told_from)
    told = dict(rows.order_by("id").values_list("key", "about_id"))
    paused = (key.removeprefix(RULE_PAUSED) for key in told if key.startswith(RULE_PAUSED))
    # The last pause of a rule is the one that ended.
    last = {int(rest.partition(":")[0]): rest for rest in paused}
    over = {pk: rest for pk, rest in last.items() if RULE_RESUMED + rest not in told}
    for rule in Rule.objects.filter(pk__in=over, paused_at=None) if over else ():
        content = {
            "title": f"The rule “{rule}” goes on", "text": "What waited for it is sent.", "detail": "",
            "url": page(Rule, rule.pk), "at": now.isoformat(),
        }  # fmt: skip
        key = RULE_RESUMED + over[rule.pk]
        yield _row(
            channel, Kind.RECOVERY, key=key, now=now, content=content, about_id=rule.connection_id
        )


def _of_states(channel: NotificationChannel) -> QuerySet[Notification]:
    """Return what the channel was told of the state of connections that are healthy now."""
    of_state = (
        Q(key__startswith="recovered:")
        | Q(key__startswith="paused:")
        | Q(key__startswith="failing:")
    )
    rows = Notification.objects.filter(of_state, channel=channel, created_at__gte=channel.told_from)
    return rows.filter(about__state=Connection.State.HEALTHY)


def _row(
    channel: NotificationChannel, kind: Notification.Kind, *, key: str, now: datetime, **more: Any
) -> Notification:
    return Notification(channel=channel, kind=kind, key=key, created_at=now, **{"not_before": now, **more})  # fmt: skip
