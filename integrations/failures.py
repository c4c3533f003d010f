"""Failed deliveries by what they have in common: connection, class and cause."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Min, QuerySet, Window
from django.db.models.functions import RowNumber

from integrations.models import Delivery
from integrations.outbox import latest_deliveries

_KEY = ("connection_id", "failure_class", "cause")

Key = tuple[int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Hold failures of one cause at one connection; `newest` and `oldest` are deliveries' ids."""

    connection_id: int
    failure_class: str
    cause: str
    hint: str
    count: int
    first_at: datetime
    last_at: datetime
    newest: int
    oldest: int

    @property
    def key(self) -> Key:
        """Return what tells it from the others."""
        return self.connection_id, self.failure_class, self.cause

    @property
    def is_question(self) -> bool:
        """Tell whether they wait for a person's answer, rather than for something to be mended."""
        return self.failure_class == Delivery.FailureClass.REVIEW


def failed_between(since: datetime, until: datetime) -> QuerySet[Delivery]:
    """Return what failed in this time, was not sent again since, and nobody has acknowledged."""
    return Delivery.objects.filter(
        state=Delivery.State.FAILED,
        acknowledged_at=None,
        settled_at__gte=since,
        settled_at__lt=until,
    )


def grouped(failed: QuerySet[Delivery]) -> list[Group]:
    """Return the failures by cause, the largest group first; a query, and one more for the newest hints."""
    rows = list(
        failed.order_by().values(*_KEY).annotate(
            count=Count("pk"), first_at=Min("settled_at"), last_at=Max("settled_at"), newest=Max("pk"), oldest=Min("pk"),
        ).order_by("-count", "-newest")
    )  # fmt: skip
    hints = _hints(row["newest"] for row in rows)
    return [Group(**row, hint=hints.get(row["newest"], "")) for row in rows]


def newest_of(failed: QuerySet[Delivery], *, each: int) -> Mapping[Key, tuple[int, ...]]:
    """Return the ids of the newest failures of each cause, so many at the most, in one query."""
    place = Window(RowNumber(), partition_by=[F(name) for name in _KEY], order_by=F("pk").desc())
    rows = failed.order_by().annotate(place=place).filter(place__lte=each).order_by("-pk")
    found: dict[Key, list[int]] = defaultdict(list)
    for connection_id, failure_class, cause, pk in rows.values_list(*_KEY, "pk"):
        found[connection_id, failure_class, cause].append(pk)
    return {key: tuple(pks) for key, pks in found.items()}


def _hints(pks: Iterable[int]) -> dict[Any, str]:
    return dict(Delivery.objects.filter(pk__in=list(pks)).values_list("pk", "hint"))


def open_count(*, cap: int) -> int:
    """Return how many failures need a person, looking at no more than `cap` of them."""
    some = Delivery.objects.filter(state=Delivery.State.FAILED, acknowledged_at=None).order_by()
    pks = list(some.values_list("pk", flat=True)[:cap])
    return cap if len(pks) >= cap else latest_deliveries().filter(pk__in=pks).count()
