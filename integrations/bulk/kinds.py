"""What can be done to many rows. One more kind is one more entry in `KINDS`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from bookings.models import Invitee
from integrations import inbox, outbox, rehearsing
from integrations.bulk.choosing import BookingChoice, DeliveryChoice, WebhookChoice, read
from integrations.models import BulkOperation, Delivery, InboundWebhook

State = Delivery.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """Say how many rows were changed and could not be, and who is to be woken: connections, the inbox."""

    changed: int = 0
    errors: int = 0
    connections: frozenset[int] = field(default_factory=frozenset)
    inbox: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Hold what was asked outside of any transaction: of which rows, how to write it down, and how long to wait before the next.

    `wait` is in seconds; the provider is left alone for so long.
    """

    pks: Sequence[int]
    write: Callable[[], Did]
    wait: float = 0.0


class UnfitError(Exception):
    """An operation cannot go on, for a reason that is told to people as it is."""


def _nothing(rows: QuerySet[Any], by: str, options: Mapping[str, Any], now: datetime) -> Did:
    """Do nothing: what a kind that asks finds is written down by itself."""
    return Did()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Name what is done, its words for people, who may have it done, and the functions that choose and do it.

    `ended` is the column that says when a row came to its end: what ends after an operation has begun is none of its
    business. `done` is said afterwards, `named_by` are the columns that a row's name is made of. `carry_out` gets rows, who asked, the operation's options, and the moment; it is called in a transaction.
    A kind that `ask`s somebody does so outside of any, for as many of the next rows as it likes, and always as an operation.
    """

    name: str
    title: str
    thing: str
    costs: str
    permission: str
    model: Any
    ended: str
    choose: Callable[[Mapping[str, Any]], QuerySet[Any]]
    done: str
    carry_out: Callable[[QuerySet[Any], str, Mapping[str, Any], datetime], Did] = _nothing
    ask: Callable[[Sequence[int], BulkOperation, Callable[[], datetime]], Asked] | None = None
    named_by: tuple[str, ...] = ()
    needs_reason: bool = False

    def frozen(self, given: Mapping[str, Any], *, at: datetime) -> QuerySet[Any]:
        """Return what is chosen, as far as it had ended by then."""
        return self.choose(given).filter(**{f"{self.ended}__lte": at})


def _to_retry(given: Mapping[str, Any]) -> QuerySet[Delivery]:
    """Choose among what failed; what was skipped only where it is named: there was nothing to do, or a later one did it."""
    choice = read(DeliveryChoice, given)
    if choice.pks or choice.state:
        return choice.rows().filter(state__in=[State.FAILED, State.SKIPPED])
    return choice.rows().filter(state=State.FAILED)


def _retry(rows: QuerySet[Delivery], by: str, options: Mapping[str, Any], now: datetime) -> Did:
    count = outbox.retry(rows, now=now, by=by)
    return Did(changed=count, connections=frozenset(rows.values_list("connection_id", flat=True)))


def _to_ignore(given: Mapping[str, Any]) -> QuerySet[Delivery]:
    return read(DeliveryChoice, given).rows().filter(state=State.FAILED, acknowledged_at=None)


def _ignore(rows: QuerySet[Delivery], by: str, options: Mapping[str, Any], now: datetime) -> Did:
    reason = str(options.get("reason", ""))
    return Did(changed=outbox.acknowledge(rows, by=by, now=now, reason=reason))


def _to_replay(given: Mapping[str, Any]) -> QuerySet[InboundWebhook]:
    """Choose among what was looked at; of what was erased nothing is left to process."""
    rows = read(WebhookChoice, given).rows()
    return rows.exclude(state=InboundWebhook.State.RECEIVED).exclude(body=b"")


def _replay(
    rows: QuerySet[InboundWebhook], by: str, options: Mapping[str, Any], now: datetime
) -> Did:
    return Did(changed=inbox.replay(rows, now=now), inbox=True)


def _to_simulate(given: Mapping[str, Any]) -> QuerySet[Invitee]:
    return read(BookingChoice, given).rows()


def _simulate(pks: Sequence[int], operation: BulkOperation, clock: Callable[[], datetime]) -> Asked:
    """Try a rule out on bookings. Raises UnfitError."""
    try:
        found, began = rehearsing.simulate(pks[: rehearsing.SLICE], operation.options, clock=clock)
    except rehearsing.ChangedRuleError as error:
        raise UnfitError(str(error)) from error
    return Asked(
        pks=found.chains, wait=found.wait,
        write=lambda: Did(changed=rehearsing.keep(operation, found, asked_at=began)),
    )  # fmt: skip


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="retry", title="Retry", thing="delivery",
            costs="Each is sent again, as its rule says now and with the meeting as it is now.",
            permission="integrations.change_delivery", model=Delivery, ended="settled_at",
            choose=_to_retry, carry_out=_retry, done="Sent again.",
        ),
        Kind(
            name="ignore", title="Ignore", thing="delivery",
            costs="Nothing is sent. They count no more among what needs a person; a retry brings them back.",
            permission="integrations.change_delivery", model=Delivery, ended="settled_at",
            choose=_to_ignore, carry_out=_ignore, done="Ignored.", needs_reason=True,
        ),
        Kind(
            name="replay", title="Process again", thing="webhook",
            costs="Each is processed as if it had just come. What the mirror knows already, or knows newer, changes "
            "nothing and sends nothing; what it does not know yet becomes events, and rules act on them.",
            permission="integrations.change_inboundwebhook", model=InboundWebhook, ended="processed_at",
            choose=_to_replay, carry_out=_replay, done="Processed again.", named_by=("kind",),
        ),
        Kind(
            name="simulate", title="Simulate", thing="booking",
            costs="Nothing is written and nothing is sent. What is only read is asked for.",
            permission="integrations.change_rule", model=Invitee, ended="announced_at",
            choose=_to_simulate, ask=_simulate, done="Simulated.",
        ),
    )
}  # fmt: skip
