"""Failed deliveries that nobody has looked after, by cause; the newest of them, so that an old heap costs nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from integrations.failures import Group, grouped
from integrations.models import Delivery
from integrations.outbox import unseen_failures

#: How many of the newest failures are looked at.
LOOKED_AT = 2_000

FailureGroup = Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Hold the causes, the largest first; questions to a person are not among them. `is_cut` says there may be more."""

    groups: Sequence[FailureGroup] = ()
    is_cut: bool = False

    def at(self, connection_id: int) -> int:
        """Return how many failed at a connection."""
        return self._counts[connection_id]

    @property
    def _counts(self) -> Counter[int]:
        counts: Counter[int] = Counter()
        for group in self.groups:
            counts[group.connection_id] += group.count
        return counts


def failures() -> Failures:
    """Return the failures that need a person, in three queries."""
    unseen = Delivery.objects.filter(state=Delivery.State.FAILED, acknowledged_at=None)
    oldest = unseen.order_by("-id").values_list("pk", flat=True)[LOOKED_AT - 1 : LOOKED_AT].first()
    found = grouped(unseen_failures().filter(pk__gte=oldest or 0))
    return Failures(
        groups=[group for group in found if not group.is_question], is_cut=oldest is not None
    )
