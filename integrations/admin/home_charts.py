"""The charts of the first page, drawn by Unfold's Chart.js from data in the page; each has a table that says the same."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from integrations.overview import bookings_by_day, deliveries_by_hour

_GREY = "#9ca3af"
_OPTIONS = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "plugins": {
        "legend": {"align": "end", "labels": {"boxWidth": 8, "boxHeight": 8, "color": _GREY}}
    },
    "scales": {
        "x": {
            "stacked": True, "grid": {"display": False},
            "ticks": {"color": _GREY, "maxTicksLimit": 8, "maxRotation": 0},
        },
        "y": {
            "stacked": True, "beginAtZero": True, "border": {"display": False},
            "ticks": {"color": _GREY, "precision": 0, "maxTicksLimit": 5},
        },
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Hold one colour of the bars."""

    label: str
    colour: str
    numbers: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Hold bars that stand on each other; `first` heads the table's column of `labels`."""

    title: str
    summary: str
    first: str
    labels: Sequence[str]
    series: Sequence[Series]
    is_empty: bool

    @property
    def data(self) -> str:
        """Return what Chart.js draws."""
        bars = [
            {"label": row.label, "data": list(row.numbers), "backgroundColor": row.colour, "borderRadius": 2}
            for row in self.series
        ]  # fmt: skip
        return json.dumps({"labels": list(self.labels), "datasets": bars})

    @property
    def options(self) -> str:
        """Return how Chart.js draws it."""
        return json.dumps(_OPTIONS)

    @property
    def rows(self) -> Sequence[tuple[str, Sequence[int]]]:
        """Return the table's rows."""
        return [
            (label, [row.numbers[place] for row in self.series])
            for place, label in enumerate(self.labels)
        ]


def booking_chart(*, now: datetime) -> Chart:
    """Return how many bookings begin on each day around today."""
    days = bookings_by_day(now=now)
    active = Series(label="Active", colour="#7c3aed", numbers=[day.active for day in days])
    canceled = Series(label="Canceled", colour=_GREY, numbers=[day.canceled for day in days])
    ahead = sum(day.active for day in days if day.day >= now.date())
    return _chart(
        "Bookings by day", f"{ahead} active from today on, in two weeks.", first="Day (UTC)",
        labels=[f"{day.day:%a %d %b}{' (today)' * (day.day == now.date())}" for day in days], series=[active, canceled],
    )  # fmt: skip


def delivery_chart(*, now: datetime) -> Chart:
    """Return how the deliveries of the last day ended, by the hour."""
    hours = deliveries_by_hour(now=now)
    series = [
        Series(label="Delivered", colour="#16a34a", numbers=[hour.delivered for hour in hours]),
        Series(label="Failed", colour="#dc2626", numbers=[hour.failed for hour in hours]),
        Series(label="Nothing to do", colour=_GREY, numbers=[hour.skipped for hour in hours]),
    ]
    totals = [f"{sum(row.numbers):,} {row.label.lower()}" for row in series]
    return _chart(
        "Deliveries by hour", f"In the last 24 hours: {', '.join(totals)}.", first="Hour (UTC)",
        labels=[f"{hour.at:%H:%M}" for hour in hours], series=series,
    )  # fmt: skip


def _chart(
    title: str, summary: str, *, first: str, labels: list[str], series: list[Series]
) -> Chart:
    is_empty = not any(any(row.numbers) for row in series)
    return Chart(title=title, summary=summary, first=first, labels=labels, series=series, is_empty=is_empty)  # fmt: skip
