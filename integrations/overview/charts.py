"""What was booked day by day and sent hour by hour, in UTC; days and hours without anything are there as well."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count
from django.db.models.functions import TruncDate, TruncHour

from bookings.models import Booking, Status
from integrations.models import Delivery

#: How many days the chart of bookings looks back, and how many ahead; and how many hours that of deliveries.
DAYS_EACH_WAY = 14
HOURS = 24

State = Delivery.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Count the bookings that begin on a day."""

    day: date
    active: int
    canceled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """Count the deliveries that ended in the hour from `at` on."""

    at: datetime
    delivered: int
    failed: int
    skipped: int


def bookings_by_day(*, now: datetime) -> list[Day]:
    """Return the days around today; a booking that Calendly does not know any more counts nowhere."""
    first = now.astimezone(UTC).date() - timedelta(days=DAYS_EACH_WAY)
    days = [first + timedelta(days=number) for number in range(2 * DAYS_EACH_WAY + 1)]
    rows = Booking.objects.filter(
        start_at__gte=_midnight(first), start_at__lt=_midnight(days[-1] + timedelta(days=1)),
        status__in=Status.values, vanished_at=None,
    )  # fmt: skip
    counts: dict[date, Counter[str]] = defaultdict(Counter)
    by_day = rows.order_by().values_list(TruncDate("start_at", tzinfo=UTC), "status")
    for day, status, number in by_day.annotate(number=Count("*")):
        counts[day][status] = number
    return [
        Day(day=day, active=counts[day][Status.ACTIVE], canceled=counts[day][Status.CANCELED])
        for day in days
    ]


def deliveries_by_hour(*, now: datetime) -> list[Hour]:
    """Return the last hours, the running one as the last."""
    running = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [running - timedelta(hours=number) for number in reversed(range(HOURS))]
    rows = Delivery.objects.filter(settled_at__gte=hours[0], settled_at__lte=now)
    counts: dict[datetime, Counter[str]] = defaultdict(Counter)
    by_hour = rows.order_by().values_list(TruncHour("settled_at", tzinfo=UTC), "state")
    for at, state, number in by_hour.annotate(number=Count("*")):
        counts[at][state] = number
    return [
        Hour(
            at=at, delivered=counts[at][State.DELIVERED], failed=counts[at][State.FAILED],
            skipped=counts[at][State.SKIPPED],
        )
        for at in hours
    ]  # fmt: skip


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
