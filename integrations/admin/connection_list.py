"""The list of connections counts what waits and what failed, for a whole page at once."""

from collections import Counter
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from integrations.models import Delivery
from integrations.outbox import unseen_failures


class CountingChangeList(ChangeList):
    """Count what waits and what failed for all connections at once."""

    def get_results(self, request: HttpRequest) -> None:
        """Give each connection its counts."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        waiting = _count(Delivery.objects.filter(state__in=Delivery.UNSETTLED))
        failed = _count(unseen_failures())
        for row in rows:
            row.waiting, row.failed = waiting[row.pk], failed[row.pk]
        self.result_list = rows


def _count(deliveries: QuerySet[Delivery]) -> Counter[int]:
    counted = deliveries.order_by().values_list("connection_id").annotate(Count("id"))
    return Counter(dict(counted))
