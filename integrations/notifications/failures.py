"""Failed deliveries by what they have in common: connection, class and cause."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from integrations.models import Delivery
from integrations.notifications.causes import cause_of

_FACTS = ("pk", "connection_id", "failure_class", "error", "hint", "settled_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Hold failures of one cause at one connection; `deliveries` are their ids, the newest first."""

    connection_id: int
    failure_class: str
    cause: str
    hint: str
    deliveries: tuple[int, ...]
    first_at: datetime
    last_at: datetime

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
    """Return the failures by cause, the largest group first, in one query."""
    found: dict[tuple[int, str, str], list[tuple[int, str, datetime]]] = defaultdict(list)
    rows = failed.order_by("-id").values_list(*_FACTS)
    for pk, connection_id, failure_class, error, hint, settled_at in rows.iterator():
        found[connection_id, failure_class, cause_of(error)].append((pk, hint, settled_at))
    return sorted(_groups(found.items()), key=lambda group: -len(group.deliveries))


def _groups(
    found: Iterable[tuple[tuple[int, str, str], list[tuple[int, str, datetime]]]],
) -> Iterable[Group]:
    for (connection_id, failure_class, cause), rows in found:
        yield Group(
            connection_id=connection_id, failure_class=failure_class, cause=cause, hint=rows[0][1],
            deliveries=tuple(pk for pk, _, _ in rows), first_at=min(at for _, _, at in rows),
            last_at=max(at for _, _, at in rows),
        )  # fmt: skip
