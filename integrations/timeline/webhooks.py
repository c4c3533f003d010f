"""What came in for a story, and the bytes of the newest."""

from collections.abc import Collection, Iterator

from django.db.models import Q

from integrations.models import InboundWebhook
from integrations.timeline.entries import WebhookEntry


def webhook_entries(
    bookings: Collection[int], *, caused: Collection[int], most: int, told: int
) -> Iterator[WebhookEntry]:
    """Yield the newest webhooks of the bookings, and those that caused an event; the newest `told` with their bodies."""
    whose = Q(booking_id__in=bookings) | Q(pk__in=caused)
    rows = list(InboundWebhook.objects.filter(whose).defer("body").order_by("-id")[:most])
    newest = InboundWebhook.objects.filter(pk__in=[row.pk for row in rows[:told]])
    bodies = {pk: bytes(body) for pk, body in newest.values_list("pk", "body")}
    for row in rows:
        yield WebhookEntry(at=row.received_at, webhook=row, body=bodies.get(row.pk))
