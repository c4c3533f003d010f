"""The decided changes of a story, with what was sent for each, and why a rule sent nothing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from django.db.models import Prefetch, Q, QuerySet

from bookings.models import BookingEvent, Invitee, RoutingSubmission
from integrations.models import BackfillFinding, Delivery, DeliveryAttempt, RemoteRecord, Rule
from integrations.timeline.entries import DeliveryEntry, EventEntry, Withheld
from integrations.timeline.inaction import withheld
from integrations.timeline.members import chain_ids
from integrations.timeline.words import changes_in_words

Attempts = Mapping[int, list[DeliveryAttempt]]
Records = Mapping[tuple[int, int], list[RemoteRecord]]


def event_entries(members: Collection[Invitee], *, most: int, told: int) -> Iterator[EventEntry]:
    """Yield the newest events of the invitees' chains, oldest first; the newest `told` with their attempts."""
    chains = chain_ids(members)
    rows = list(_events(members, chains).order_by("-id")[:most])[::-1]
    attempts, records = _attempts(rows[-told:]), _records(chains)
    rules = list(Rule.objects.select_related("connection"))
    findings = _findings(rows)
    for event in rows:
        deliveries = event.deliveries.all()
        yield EventEntry(
            at=event.created_at,
            event=event,
            changes=tuple(changes_in_words(event.changes)),
            deliveries=tuple(_entry(row, attempts, records) for row in deliveries),
            withheld=tuple(_withheld(event, rules)),
            finding=findings.get(event.pk),
        )


def delivery_entry(delivery: Delivery) -> DeliveryEntry:
    """Return one delivery as its own page shows it."""
    attempts = {delivery.pk: list(delivery.attempts.all())}
    return _entry(delivery, attempts, _records([delivery.chain_id]))


def _withheld(event: BookingEvent, rules: Iterable[Rule]) -> Iterator[Withheld]:
    """Yield the rules that made no delivery of the event; one without a chain is carried by none.

    Of what the clock brought no rule was asked but the one that it was for.
    """
    if event.chain_id is None:
        return
    plan = getattr(event, "plan", None)
    said = {entry["rule"]: entry for entry in plan.withheld} if plan else {}
    acted = {delivery.rule_id for delivery in event.deliveries.all()}
    for rule in rules:
        entry = said.pop(rule.pk, None)
        if rule.pk not in acted and (entry or event.cause != BookingEvent.Cause.CLOCK):
            yield withheld(rule, event, said=entry["reason"] if entry else "")
    for entry in said.values():
        yield Withheld(rule=None, name=entry["name"], reason=entry["reason"])


def _events(members: Collection[Invitee], chains: set[int]) -> QuerySet[BookingEvent]:
    forms = {member.routing_submission_uri for member in members} - {""}
    submissions = RoutingSubmission.objects.filter(uri__in=forms).values_list("pk", flat=True)
    deliveries = Delivery.objects.select_related("connection", "rule", "waits_for").order_by("id")
    return (
        BookingEvent.objects.filter(
            Q(chain_id__in=chains) | Q(routing_submission_id__in=list(submissions))
        )
        .select_related(
            "booking__event_type", "invitee", "routing_submission", "plan", "clock_entry"
        )
        .defer("booking__raw", "booking__event_type__raw", "invitee__raw")
        .prefetch_related(Prefetch("deliveries", deliveries))
    )


def _attempts(events: Iterable[BookingEvent]) -> Attempts:
    deliveries = [row.pk for event in events for row in event.deliveries.all()]
    found: dict[int, list[DeliveryAttempt]] = defaultdict(list)
    for attempt in DeliveryAttempt.objects.filter(delivery__in=deliveries).order_by("id"):
        found[attempt.delivery_id].append(attempt)
    return found


def _records(chains: Collection[int]) -> Records:
    found: dict[tuple[int, int], list[RemoteRecord]] = defaultdict(list)
    for record in RemoteRecord.objects.filter(chain_id__in=chains).order_by("-updated_at", "-id"):
        found[record.connection_id, record.chain_id].append(record)
    return found


def _findings(events: Iterable[BookingEvent]) -> dict[int, BackfillFinding]:
    silent = [event.pk for event in events if event.cause == BookingEvent.Cause.BACKFILL]
    found = BackfillFinding.objects.filter(event__in=silent)
    return {finding.event_id: finding for finding in found if finding.event_id}


def _entry(delivery: Delivery, attempts: Attempts, records: Records) -> DeliveryEntry:
    there = records.get((delivery.connection_id, delivery.chain_id), ())
    return DeliveryEntry(
        delivery=delivery,
        attempts=tuple(attempts.get(delivery.pk, ())),
        records=tuple(record for record in there if record.url),
    )
