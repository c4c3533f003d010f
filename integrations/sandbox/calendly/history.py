"""Bookings by the thousand, the same ones from the same seed; nobody is told of them."""

import itertools
import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.sandbox.calendly import bookings, changes, messages
from integrations.sandbox.calendly.errors import invalid
from integrations.sandbox.calendly.world import CalendlyWorld
from integrations.sandbox.web import Json

FIRST_NAMES = ("Ada", "Bela", "Chloe", "Dario", "Emma", "Farid", "Grace", "Hugo", "Ines", "Jonas")
LAST_NAMES = ("Abel", "Brandt", "Costa", "Doyle", "Eder", "Fuchs", "Garcia", "Holm", "Ito", "Jung")
TIMEZONES = ("America/New_York", "Asia/Calcutta", "Asia/Tokyo", "Europe/Berlin", "Europe/London")
REASONS = ("", "Another meeting came up", "Ill", None)
FIRST_HOUR, QUARTERS_A_DAY = 8, 40
LEAD_HOURS = 14 * 24


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Say how many bookings to make, over which days, and what becomes of which share of them."""

    count: int
    start: datetime
    days: int = 60
    canceled_share: float = 0.1
    rescheduled_share: float = 0.1
    no_show_share: float = 0.05
    group_share: float = 0.1
    seed: int = 1

    def fates(self) -> list[str]:
        """Return what becomes of each first booking. Raises ApiError 400 if shares overlap.

        A rescheduled one counts twice: the booking given up and the one it became.
        """
        canceled, rescheduled, no_show = (
            round(self.count * share)
            for share in (self.canceled_share, self.rescheduled_share, self.no_show_share)
        )
        kept = self.count - canceled - 2 * rescheduled - no_show
        if kept < 0 or self.days < 1:
            raise invalid("count", "the shares come to more than the whole, or there is no day")
        known = {"canceled": canceled, "rescheduled": rescheduled, "no_show": no_show, "kept": kept}
        return list(itertools.chain.from_iterable([name] * times for name, times in known.items()))


def make(world: CalendlyWorld, plan: Plan) -> dict[str, int]:
    """Make the bookings of a plan without webhooks; return how many of what.

    Identifiers, people, times and answers come from the seed and from how many meetings there
    are already. Only what would lie in the future, such as the booking of a meeting to come, is
    stamped relative to now.
    """
    fates, before = plan.fates(), len(world.events)
    with messages.silence(world), world.drawing(f"{plan.seed}:{before}"):
        world.draw.shuffle(fates)
        author = _Author(world, plan)
        for fate in fates:
            author.write(fate)
    counts = Counter(fates)
    return {
        "bookings": plan.count,
        "events": len(world.events) - before,
        "group_seats": author.group_seats,
        **{name: counts[name] for name in ("canceled", "rescheduled", "no_show")},
    }


class _Author:
    """Writes one booking after the other."""

    def __init__(self, world: CalendlyWorld, plan: Plan) -> None:
        self._world, self._plan, self._draw = world, plan, world.draw
        self._now = world.clock.now()
        self._singles = _open_types(world, group=False)
        self._groups = _open_types(world, group=True)
        if not self._singles:
            raise invalid("event_type", "there is none left that one person can book")
        self._workshop = self._slot()
        self.group_seats = 0

    def write(self, fate: str) -> None:
        """Book once, and let the booking end as it must."""
        is_group = bool(self._groups) and self._draw.random() < self._plan.group_share
        self.group_seats += is_group
        event_type = self._draw.choice(self._groups if is_group else self._singles)
        start = self._start(event_type, is_group=is_group)
        known = min(start, self._now)
        booked = known - timedelta(hours=self._draw.uniform(1, LEAD_HOURS))
        invitee = bookings.book(self._world, self._order(event_type, start=start, at=booked))
        changed = booked + (known - booked) * self._draw.random()
        self._end(invitee, fate, event_type=event_type, is_group=is_group, at=changed)

    def _end(
        self, invitee: Json, fate: str, *, event_type: str, is_group: bool, at: datetime
    ) -> None:
        match fate:
            case "canceled":
                changes.cancel(
                    self._world,
                    invitee,
                    at=at,
                    reason=self._draw.choice(REASONS),
                    canceler_type=self._draw.choice(("host", "invitee")),
                )
            case "rescheduled":
                start = self._start(event_type, is_group=is_group)
                changes.reschedule(self._world, invitee, start=start, at=at)
            case "no_show":
                changes.mark_no_show(self._world, invitee, at=at)

    def _start(self, event_type: str, *, is_group: bool) -> datetime:
        if not is_group:
            return self._slot()
        if self._draw.random() < 0.25:
            self._workshop = self._slot()
        while not bookings.has_room(self._world, event_type, start=self._workshop):
            self._workshop += timedelta(minutes=1)
        return self._workshop

    def _slot(self) -> datetime:
        day = timedelta(days=self._draw.randrange(self._plan.days), hours=FIRST_HOUR)
        return self._plan.start + day + self._draw.randrange(QUARTERS_A_DAY) * timedelta(minutes=15)

    def _order(self, event_type: str, *, start: datetime, at: datetime) -> bookings.Order:
        person = self._draw.randrange(max(1, self._plan.count * 3 // 4))
        first = FIRST_NAMES[person % len(FIRST_NAMES)]
        last = LAST_NAMES[person // len(FIRST_NAMES) % len(LAST_NAMES)]
        return bookings.Order(
            event_type=event_type,
            name=f"{first} {last}",
            email=f"{first}.{last}.{person}@client.example".lower(),
            timezone=TIMEZONES[person % len(TIMEZONES)],
            start=start,
            at=at,
            answers=_answers(self._draw, self._world.event_types[event_type]),
        )


def _open_types(world: CalendlyWorld, *, group: bool) -> list[str]:
    return [
        key
        for key, row in world.event_types.items()
        if row["active"] and (world.limit_of[key] > 1) is group
    ]


def _answers(draw: random.Random, event_type: Json) -> list[Json]:
    return [
        {"question": row["name"], "answer": _answer(draw, row), "position": row["position"]}
        for row in event_type["custom_questions"]
        if row["required"] or draw.random() < 0.8
    ]


def _answer(draw: random.Random, question: Json) -> str:
    if question["answer_choices"]:
        return str(draw.choice(question["answer_choices"]))
    if question["type"] == "phone_number":
        return f"+1 555 {draw.randrange(10**7):07}"
    return f"{draw.choice(LAST_NAMES)} {draw.randrange(1000)}"
