"""Send a meeting again to where it went: the newest delivery of each rule once more, written from the present state.

Nothing is there twice: a connector answers "already equal", or writes the same record again. What it can read back and hold
to what it wrote (`Connector.compares`) is written again even where we believed it equal, for it may have been changed.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from integrations import outbox
from integrations.connectors.base import connector_class
from integrations.models import Delivery, RemoteRecord


def sendable(chain_ids: Collection[int]) -> QuerySet[Delivery]:
    """Return the ended deliveries that a resync sends again: the newest of each chain and rule that is in force."""
    latest = outbox.latest_deliveries().filter(chain__in=chain_ids, rule__enabled=True)
    return latest.exclude(state__in=Delivery.UNSETTLED)


@transaction.atomic
def send_again(deliveries: Iterable[Delivery], *, now: datetime, by: str) -> int:
    """Make the deliveries wait to be sent at once and return how many; nudging their connections is the caller's."""
    rows = list(deliveries)
    for row in rows:
        if connector_class(row.connection.provider).compares:
            records = RemoteRecord.objects.filter(connection=row.connection_id, chain=row.chain_id)
            records.update(content_hash="")
    chosen = Delivery.objects.filter(pk__in=[row.pk for row in rows])
    return outbox.retry(chosen, now=now, by=by, also_delivered=True)
