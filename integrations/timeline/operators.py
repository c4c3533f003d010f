"""What people did in a story: staff in the admin, and whoever pressed a button elsewhere."""

from collections.abc import Collection, Iterator

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q

from bookings.models import Booking
from integrations.interactions.authority import PRESSED
from integrations.models import Delivery, InboundWebhook, Interaction
from integrations.timeline.entries import OperatorEntry, PressEntry


def operator_entries(
    *, bookings: Collection[int], deliveries: Collection[int], webhooks: Collection[int], most: int
) -> Iterator[OperatorEntry]:
    """Yield the newest operations of staff on these rows; a press that is told of itself is left out."""
    named = {Booking: bookings, Delivery: deliveries, InboundWebhook: webhooks}
    types = ContentType.objects.get_for_models(*named)
    asked = Q()
    for model, pks in named.items():
        asked |= Q(content_type=types[model], object_id__in=[str(pk) for pk in pks])
    rows = LogEntry.objects.filter(asked).exclude(
        content_type=types[Booking], change_message__startswith=PRESSED
    )
    names = {kind.pk: model for model, kind in types.items()}
    for log in rows.select_related("user").order_by("-id")[:most]:
        about = _about(names[log.content_type_id or 0], log.object_id or "")
        yield OperatorEntry(at=log.action_time, log=log, about=about)


def _about(model: type[Model], object_id: str) -> str:
    words = {Delivery: "delivery", InboundWebhook: "webhook"}
    return f"{words[model]} #{object_id}" if model in words else "the booking"


def press_entries(chains: Collection[int], *, most: int) -> Iterator[PressEntry]:
    """Yield the newest presses of buttons about these chains."""
    rows = Interaction.objects.filter(chain_ref__in=chains).select_related("connection")
    for press in rows.defer("sealed_reply").order_by("-id")[:most]:
        yield PressEntry(at=press.received_at, press=press)
