"""What a connector could not decide for certain: asked once of a person, whose answer is remembered.

There is at most one live review (open or answered) of a person at a connection. A delivery that asks and the answer
to it lock the same row, so that either the answer finds the delivery or the delivery the answer.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations import accounts, outbox
from integrations.connectors.base import Choice, Record
from integrations.errors import Candidate, ReviewError
from integrations.models import Connection, Delivery, MatchReview

logger = logging.getLogger(__name__)

State = MatchReview.State
Verdict = MatchReview.Verdict

_LIVE = (State.OPEN, State.ANSWERED)
_UNDECIDED: Mapping[str, Any] = {
    "verdict": "", "object_type": "", "remote_id": "", "url": "", "decided_by": "", "decided_at": None,
}  # fmt: skip


def choices(connection_id: int, deliveries: Iterable[Delivery]) -> dict[str, Choice]:
    """Return what a person answered about the invitees of a connection's deliveries, by their serial key."""
    keys = {delivery.serial_key for delivery in deliveries}
    answered = MatchReview.objects.filter(
        connection_id=connection_id, serial_key__in=keys, state=State.ANSWERED
    )
    return {row.serial_key: choice_of(row) for row in answered.order_by("decided_at")}


def choice_of(review: MatchReview) -> Choice:
    """Return an answer as the connector takes it."""
    used = review.verdict == Verdict.USE
    record = Record(object_type=review.object_type, remote_id=review.remote_id, url=review.url)
    refused = tuple(str(candidate["remote_id"]) for candidate in review.candidates)
    return Choice(
        verdict=review.verdict,
        record=record if used else None,
        refused=refused if review.verdict == Verdict.CREATE else (),
        review_id=review.pk,
    )


def ask(
    delivery: Delivery, question: ReviewError, *, choice: Choice | None, now: datetime
) -> MatchReview | None:
    """Open a review, or bring the open one up to date; None when a person answered in the meantime.

    `choice` is the answer that the attempt knew. It led to the question, so it holds no longer. In the caller's
    transaction, which settles the delivery too.
    """
    live = list(_live(delivery).select_for_update())
    answered = [review for review in live if review.state == State.ANSWERED]
    if any(choice_of(review) != choice for review in answered):
        return None
    MatchReview.objects.filter(pk__in=[review.pk for review in answered]).update(
        state=State.WITHDRAWN, **_UNDECIDED
    )
    asked = {
        "chain_id": delivery.chain_id,
        "question": str(question),
        "candidates": [asdict(candidate) for candidate in question.candidates],
    }
    review, is_new = MatchReview.objects.update_or_create(
        connection_id=delivery.connection_id, serial_key=delivery.serial_key, state=State.OPEN,
        defaults=asked, create_defaults={**asked, "created_at": now},
    )  # fmt: skip
    logger.info("Review asked: review=%s delivery=%s new=%s", review.pk, delivery.pk, is_new)
    return review


def holds(delivery: Delivery, choice: Choice | None) -> bool:
    """Tell whether no other answer was given since the delivery was decided; in the transaction that settles it.

    One that was taken back does not count: what was written with it stays.
    """
    answered = _live(delivery).filter(state=State.ANSWERED).select_for_update()
    return all(choice_of(review) == choice for review in answered)


@transaction.atomic
def answer(
    review: MatchReview, *, verdict: str, candidate: Candidate | None = None, seen: datetime | None,
    by: str, now: datetime,
) -> int | None:  # fmt: skip
    """Write an answer, or another one, and have what waits for it sent; return how many deliveries that are.

    `seen` is when the answer was given that this person saw, None for none: whoever comes second is told so by None.
    Another answer also moves what was written by the former.
    """
    used = candidate if verdict == Verdict.USE else None
    taken = MatchReview.objects.filter(pk=review.pk, state__in=_LIVE, decided_at=seen).update(
        state=State.ANSWERED, verdict=verdict, decided_by=by, decided_at=now,
        object_type=used.object_type if used else "", remote_id=used.remote_id if used else "",
        url=used.url if used else "",
    )  # fmt: skip
    if not taken:
        return None
    logger.info("Review answered: review=%s verdict=%s", review.pk, verdict)
    return _send_again(review, changed=seen is not None, by=by, now=now)


@transaction.atomic
def forget(review: MatchReview, *, seen: datetime | None, by: str, now: datetime) -> bool:
    """Take an answer back; return False when another person was faster. What was written with it stays.

    The next meeting of the person asks again, where it is still not clear.
    """
    taken = MatchReview.objects.filter(pk=review.pk, state=State.ANSWERED, decided_at=seen).update(
        state=State.WITHDRAWN, **_UNDECIDED
    )
    logger.info("Answer forgotten: review=%s taken=%s by=%s", review.pk, taken, by)
    return bool(taken)


def look_again(review: MatchReview, *, by: str, now: datetime) -> int:
    """Have what waits for a review tried again without an answer: somebody has merged the records, perhaps."""
    return outbox.retry(waiting_for(review), now=now, by=by)


def waiting_for(review: MatchReview) -> QuerySet[Delivery]:
    """Return the deliveries that cannot go on without an answer."""
    return _of(review).filter(_ASKING)


def review_of(delivery: Delivery) -> MatchReview | None:
    """Return the live review of the delivery's invitee, the open one first."""
    return _live(delivery).order_by("decided_at", "-id").first()


def open_count() -> int:
    """Return how many reviews wait for a person."""
    return MatchReview.objects.filter(state=State.OPEN).count()


def withdraw_idle() -> int:
    """Withdraw the open reviews for which nothing waits any more; return how many.

    Their meetings were deleted or erased, or went through by themselves.
    """
    same = Delivery.objects.filter(
        connection=OuterRef("connection"), serial_key=OuterRef("serial_key")
    )
    later = Delivery.objects.filter(
        chain=OuterRef("chain"), connection=OuterRef("connection"), rule=OuterRef("rule"),
        id__gt=OuterRef("id"), state__in=[Delivery.State.DELIVERED, Delivery.State.SKIPPED],
    )  # fmt: skip
    asking = same.filter(_ASKING).filter(~Exists(later))
    coming = same.filter(state__in=Delivery.UNSETTLED)
    idle = MatchReview.objects.filter(~Exists(asking), ~Exists(coming), state=State.OPEN)
    return idle.update(state=State.WITHDRAWN)


def find(connection: Connection, remote_id: str) -> Candidate | None:
    """Return the record over there that a person named; None where it is none that can be an invitee.

    Raises:
        IntegrationError: the provider cannot be asked.
    """
    return accounts.connector(connection).find(remote_id)


_ASKING = Q(state=Delivery.State.FAILED, failure_class=Delivery.FailureClass.REVIEW)


def _live(delivery: Delivery) -> QuerySet[MatchReview]:
    return MatchReview.objects.filter(
        connection_id=delivery.connection_id, serial_key=delivery.serial_key, state__in=_LIVE
    )


def _of(review: MatchReview) -> QuerySet[Delivery]:
    return Delivery.objects.filter(connection_id=review.connection_id, serial_key=review.serial_key)


def _send_again(review: MatchReview, *, changed: bool, by: str, now: datetime) -> int:
    again = list(waiting_for(review).values_list("pk", flat=True))
    if changed:
        again += _last_delivered(review)
    chosen = Delivery.objects.filter(pk__in=again)
    return outbox.retry(chosen, now=now, by=by, also_delivered=changed)


def _last_delivered(review: MatchReview) -> list[int]:
    """Return the newest delivery, by each rule, of each of the person's meetings: it writes the present state."""
    rows = _of(review).exclude(state__in=Delivery.UNSETTLED).order_by("id")
    newest = {
        (chain, rule): pk for chain, rule, pk in rows.values_list("chain_id", "rule_id", "pk")
    }
    return list(newest.values())
