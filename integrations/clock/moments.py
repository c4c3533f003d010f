"""When a rule of the clock acts on a meeting, and what becomes of a moment that has passed. Pure: values in, values out.

A moment is counted from the meeting's start or end (its anchor), in time that passes: 24 hours are 24 hours, also where
the clocks are changed meanwhile.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.models import Rule
from integrations.models.rule import ANCHORS

STARTING = "starting"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Hold what is decided from: the moment, the meeting's start, and since when it has been so.

    `set_at` is when the anchor was set (booked, or moved if `is_move`), `heard_at` when we heard of the meeting.
    """

    kind: str
    anchor_at: datetime
    start_at: datetime
    set_at: datetime
    heard_at: datetime
    is_move: bool = False
    is_no_show: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Say whether the rule acts, why it does not or acts otherwise than at its moment, and which rule acts instead."""

    acts: bool
    reason: str = ""
    by: Rule | None = None


def due_at(rule: Rule, kind: str, anchor_at: datetime) -> datetime:
    """Return the moment of a rule for a meeting that starts, or ends, at the anchor."""
    offset = timedelta(minutes=rule.offset_minutes)
    return anchor_at - offset if kind == STARTING else anchor_at + offset


def judge(moment: Moment, rule: Rule, *, now: datetime) -> Verdict:
    """Decide about a moment that has come."""
    due = due_at(rule, moment.kind, moment.anchor_at)
    if moment.kind == STARTING and moment.start_at <= now:
        return _left(f"the meeting has begun, and its moment was {about(now - due)} ago")
    if moment.kind != STARTING and moment.is_no_show:
        return _left("the invitee did not come")
    if now - max(due, moment.set_at) > timedelta(minutes=rule.grace_minutes):
        return _left(_too_late(moment, rule, due=due, now=now))
    return _late(moment, rule, due=due) if moment.set_at > due else Verdict(acts=True)


def _too_late(moment: Moment, rule: Rule, *, due: datetime, now: datetime) -> str:
    """Blame what took the longer: to hear of the meeting, or to look at the clock thereafter."""
    since = max(due, moment.set_at)
    heard_late = moment.heard_at - since >= now - moment.heard_at
    why = "Calsync heard of the meeting" if heard_late else "Calsync looked at the clock"
    late = about(now - since)
    return f"{why} {late} too late, and {span(rule.grace_minutes)} may pass at most"


def _late(moment: Moment, rule: Rule, *, due: datetime) -> Verdict:
    """Decide about a meeting that was booked, or moved, when the moment had passed already."""
    said = _what_was_late(moment, rule, due=due)
    match rule.late_policy:
        case Rule.LatePolicy.SEND:
            return Verdict(acts=True, reason=f"{said}: sent at once")
        case Rule.LatePolicy.SKIP:
            return _left(said)
    other = rule.late_rule
    if other is None:
        return _left(f"{said}, and the rule that is to act instead is gone: choose another one")
    if not other.enabled:
        return _left(f"{said}, and “{other}”, which is to act instead, is off")
    return Verdict(acts=True, reason=f"{said}: “{other}” acted instead", by=other)


def _what_was_late(moment: Moment, rule: Rule, *, due: datetime) -> str:
    verb = "moved" if moment.is_move else "booked"
    if moment.kind == STARTING:
        before = about(moment.anchor_at - moment.set_at)
        return (
            f"{verb} {before} before the start, inside the {span(rule.offset_minutes)} of the rule"
        )
    return f"{verb} {about(moment.set_at - due)} after the rule's moment"


def _left(reason: str) -> Verdict:
    return Verdict(acts=False, reason=reason)


def in_words(rule: Rule) -> list[str]:
    """Say when a rule of the clock acts: "24 hours before the start"; empty for another."""
    told = {"starting": "before the start", "ended": "after the end"}
    return [
        f"{span(rule.offset_minutes)} {told[kind]}" if rule.offset_minutes else f"at the {anchor}"
        for kind, anchor in (("starting", "start"), ("ended", "end"))
        if kind in rule.clock_kinds
    ]


def span(minutes: int) -> str:
    """Say a number of minutes in the largest unit that holds it: "24 hours", "2 days", "90 minutes"."""
    for unit, length in (("day", 1440), ("hour", 60)):
        if minutes and minutes % length == 0 and (length == 60 or minutes > length):
            return _counted(minutes // length, unit)
    return _counted(minutes, "minute")


def about(time: timedelta) -> str:
    """Say how long something took: "2 days", "3 hours 20 minutes"; of less than two days to the minute."""
    if time >= 2 * _DAY:
        return _counted(time // _DAY, "day")
    hours, minutes = divmod(time // timedelta(minutes=1), 60)
    told = [
        _counted(number, unit) for number, unit in ((hours, "hour"), (minutes, "minute")) if number
    ]
    return " ".join(told) or "less than a minute"


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def anchor_of(kind: str) -> str:
    """Return the name of the booking's column that a kind is counted from."""
    return ANCHORS[kind]
