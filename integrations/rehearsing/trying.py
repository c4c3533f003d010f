"""Try a rule out on past bookings: whether it would act, and what it would ask and send; nothing is written, nothing sent."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bookings.models import BookingEvent
from integrations import allowance, conditions, deciding, deliver, endings, outbox
from integrations.conditions import Part
from integrations.deliver import Clock, Preview
from integrations.errors import ThrottledError
from integrations.facts import PlanFacts
from integrations.models import Connection, Rule
from integrations.rehearsing import occasions
from integrations.rehearsing.occasions import Occasion

#: Seconds to wait where what is left of a provider's allowance is kept for what is sent.
HELD = 60.0
#: What there is to say of a meeting that gives the rule nothing to decide.
NOTHING = "Nothing happened to this booking that the rule asks for."


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Say whether the rule would act and why not, with each part of its conditions, and what sending would do.

    `preview` is None where the rule would not act, or nobody was asked.
    """

    occasion: Occasion
    acts: bool
    reason: str = ""
    parts: Sequence[Part] = ()
    preview: Preview | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Hold what was found of how many of the chains; `wait` says for how many seconds the provider is to be left alone."""

    chains: Sequence[int] = ()
    found: Sequence[Foreseen] = ()
    wait: float = 0.0


@dataclass(slots=True)
class _Asked:
    """Hold the previews by the place of their occasion, and how long the provider wants to be left alone."""

    previews: dict[int, Preview] = field(default_factory=dict)
    wait: float = 0.0


def foresee(rule: Rule, found: Sequence[Occasion], *, now: datetime) -> list[Foreseen]:
    """Say of each occasion whether the rule, if it were on, would act; asks nobody.

    Rules that are on and come before it may stop it, as they would.
    """
    asking = _in_order(rule)
    events = [occasion.event for occasion in found]
    brought = [event for event in events if event.cause == BookingEvent.Cause.CLOCK]
    told = [event for event in events if event.cause != BookingEvent.Cause.CLOCK]
    decided = [
        *deciding.foresee(told, asking, now=now), *deciding.foresee(brought, [rule], now=now)
    ]  # fmt: skip
    by_event = {id(decision.event): decision for decision in decided}
    facts = PlanFacts(events)
    parsed = conditions.parse(rule.conditions)
    return [
        _foreseen(
            rule, occasion, by_event[id(occasion.event)],
            parts=conditions.explain(parsed, facts.of(occasion.event)),
        )
        for occasion in found
    ]  # fmt: skip


def rehearse(
    rule: Rule, chains: Sequence[int], *, clock: Clock, asks: bool, until: datetime | None = None
) -> Rehearsal:
    """Try the rule out on chains, as far as there is time until then; on one at least, unless a provider is to be left alone.

    Without `asks` no provider is asked. The same rows and answers give the same every time.
    """
    now = clock()
    found = foresee(rule, occasions.find(rule, chains, now=now), now=now)
    if not asks:
        return Rehearsal(chains=chains, found=found)
    wait = max((_held(c, now=now) for c in _connections(found)), default=0.0)
    if wait:
        return Rehearsal(wait=wait)
    asked = _ask(found, clock=clock, until=until)
    done = _done(chains, found, asked.previews)
    if not done and not asked.wait and chains:
        return rehearse(rule, chains[:1], clock=clock, asks=True)
    shown = [
        _with(item, asked.previews.get(place))
        for place, item in enumerate(found)
        if item.occasion.chain_id in done
    ]
    return Rehearsal(chains=done, found=shown, wait=asked.wait)


def _in_order(rule: Rule) -> list[Rule]:
    """Return the rules that are on, with this one in its place as if it were."""
    others = Rule.objects.filter(enabled=True).exclude(pk=rule.pk).select_related("connection")
    return sorted([*others, rule], key=lambda one: (one.position, one.pk or float("inf")))


def _foreseen(
    rule: Rule, occasion: Occasion, decision: deciding.Decision, *, parts: Sequence[Part]
) -> Foreseen:
    if occasion.left:
        return Foreseen(occasion=occasion, acts=False, reason=occasion.left, parts=parts)
    acts = any(acting is rule for acting in decision.acting)
    entry: Mapping[str, str] = next((e for e in decision.withheld if e["rule"] == rule.pk), {})
    reason = occasion.told if acts else entry.get("reason", "")
    return Foreseen(occasion=occasion, acts=acts, reason=reason, parts=parts)


def _connections(found: Iterable[Foreseen]) -> Collection[Connection]:
    return {item.occasion.by.connection for item in found if item.acts}


def _held(connection: Connection, *, now: datetime) -> float:
    """Return for how many seconds a connection is to be left alone: what is tried out leaves the reserve to what is sent."""
    waits = [(connection.not_before - now).total_seconds()] if connection.not_before else []
    return max(0.0, *waits, HELD if allowance.is_held(connection, now=now) else 0.0)


def _ask(found: Sequence[Foreseen], *, clock: Clock, until: datetime | None) -> _Asked:
    """Ask the providers what sending would do, connection by connection; a provider that refuses ends it."""
    asked = _Asked()
    acting: dict[int, list[int]] = defaultdict(list)
    for place, item in enumerate(found):
        if item.acts:
            acting[item.occasion.by.connection_id].append(place)
    for places in acting.values():
        rows = [
            outbox.unsaved(found[place].occasion.event, found[place].occasion.by, now=clock())
            for place in places
        ]
        previews = deliver.preview_many(rows, clock=clock, until=until)
        for place, preview in zip(places, previews, strict=False):
            if isinstance(preview.outcome, ThrottledError):
                asked.wait = preview.outcome.retry_after or endings.DEFAULT_THROTTLE
                break
            asked.previews[place] = preview
    return asked


def _done(
    chains: Sequence[int], found: Sequence[Foreseen], previews: Mapping[int, Preview]
) -> list[int]:
    """Return the first chains of which everything is known that was to be asked."""
    open_ = {
        item.occasion.chain_id
        for place, item in enumerate(found)
        if item.acts and place not in previews
    }
    first = next((place for place, chain in enumerate(chains) if chain in open_), len(chains))
    return list(chains[:first])


def _with(item: Foreseen, preview: Preview | None) -> Foreseen:
    return Foreseen(
        occasion=item.occasion, acts=item.acts, reason=item.reason, parts=item.parts, preview=preview
    )  # fmt: skip
