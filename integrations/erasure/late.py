"""What was on its way while a person was erased, and writes down afterwards what it said.

An erasure waits for what is being sent of the person's own meetings, as long as its lease holds. A worker that lost its
lease, and one that carries somebody else's meeting with the person among the guests, end when they end.
"""

from datetime import datetime

from django.db.models import Q, QuerySet

from bookings.erasure import digest, erased_before
from bookings.models import Invitee
from bookings.personal import Wording, addresses_in
from integrations.erasure.places import erase_attempts, scrub_records
from integrations.models import (
    Delivery,
    DeliveryAttempt,
    ErasureRequest,
    MatchReview,
    RemoteRecord,
)

_SAID = ("steps", "exchanges", "changes", "error", "hint")
_RESULT = ("result", "error", "hint")


def erased_since(at: datetime) -> bool:
    """Tell whether somebody was erased since then, or is being erased."""
    meanwhile = Q(state=ErasureRequest.State.WAITING) | Q(finished_at__gte=at)
    return ErasureRequest.objects.filter(meanwhile).exists()


def forget_attempt(attempt: DeliveryAttempt) -> None:
    """Erase from an attempt that was just written, and what it left, who was erased since it began.

    It leaves its delivery's result, what it remembers of the records over there, and a question to a person. To be called in the transaction that wrote it: what an erasure does before is seen, what it does later sees this.
    """
    since = attempt.started_at
    if not erased_since(since):
        return
    written = DeliveryAttempt.objects.select_related("delivery").get(pk=attempt.pk)
    chain = written.delivery.chain_id
    if Invitee.objects.filter(chain_id=chain, erased_at__gte=since).exists():
        erase_attempts(DeliveryAttempt.objects.filter(pk=attempt.pk))
        scrub_records(_records(written.delivery), Wording(frozenset()))
        MatchReview.objects.filter(chain=chain, created_at__gte=since).delete()
    else:
        _scrub(written)


def _records(delivery: Delivery) -> QuerySet[RemoteRecord]:
    return RemoteRecord.objects.filter(
        connection_id=delivery.connection_id, chain_id=delivery.chain_id
    )


def _scrub(attempt: DeliveryAttempt) -> None:
    delivery = attempt.delivery
    said = {name: getattr(attempt, name) for name in _SAID}
    told = {name: getattr(delivery, name) for name in _RESULT}
    held = list(_records(delivery))
    named = set(addresses_in([said, told, [row.data for row in held]]))
    erased = erased_before(named)
    wording = Wording(frozenset(address for address in named if digest(address) in erased))
    if wording.addresses:
        DeliveryAttempt.objects.filter(pk=attempt.pk).update(**wording.scrub(said))
        Delivery.objects.filter(pk=delivery.pk).update(**wording.scrub(told))
        scrub_records([row for row in held if wording.scrub(row.data) != row.data], wording)
