"""Where a meeting's card goes. Pure: a meeting and a rule's options in, places and reasons out."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bookings.meeting import Meeting
from integrations.connectors.base import Record, Step
from integrations.connectors.slack.options import HOST, SlackOptions, When
from integrations.connectors.templating import folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Name where a card is, or will be; `key` tells it apart for ever.

    `email` is a host's, for a direct message. `is_former` says that a card is there from before, and nothing leads there
    any more.
    """

    key: str
    label: str
    why: str
    email: str = ""
    is_former: bool = False

    @property
    def step(self) -> Step:
        """Return why the card goes there, in words for staff."""
        return Step(name="route", detail=f"{self.label}: {self.why}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Hold the places of a meeting's cards; without any, `reason` says what was looked at."""

    places: tuple[Place, ...]
    reason: str = ""


def route(meeting: Meeting, *, options: SlackOptions) -> Routing:
    """Return every place that the rule's routes lead to, or else its channel."""
    fitting = [item for item in options.routes if _fits(item.when, meeting)]
    chosen = [(item.channel, _told(item.when)) for item in fitting]
    if not chosen and options.channel:
        chosen = [(options.channel, "no route fits" if options.routes else "the rule's channel")]
    places: dict[str, Place] = {}
    for channel, why in chosen:
        for place in _places(channel, why, meeting):
            places.setdefault(place.key, place)
    return Routing(places=tuple(places.values()), reason="" if places else _reason(meeting, options, chosen))  # fmt: skip


def former(
    records: Sequence[Record], *, places: Sequence[Place], rule_id: int
) -> tuple[Place, ...]:
    """Return the places of cards that this rule made and does not lead to any more."""
    current = {place.key for place in places}
    return tuple(
        Place(
            key=item.key, label=str(item.data.get("label") or item.key), is_former=True,
            why="a card is there from before; it is kept true",
        )
        for item in records
        if item.object_type == "message" and item.key not in current
        and rule_id and item.data.get("rule") == rule_id
    )  # fmt: skip


def _fits(when: When, meeting: Meeting) -> bool:
    if when.question:
        return any(_answers(when, item.answer) for item in meeting.answers if _same(when.question, item.question))  # fmt: skip
    wanted, found = next(_compared(when, meeting))
    return any(_same(wanted, value) for value in found)


def _compared(when: When, meeting: Meeting) -> Iterator[tuple[str, Sequence[str]]]:
    if when.event_type:
        names = (meeting.event_type_name or meeting.name, meeting.event_type_slug)
        yield when.event_type.strip().rstrip("/"), (*names, meeting.event_type_uri.rstrip("/"))
    if when.host:
        yield when.host, [host.email for host in meeting.hosts]
    if when.team:
        yield when.team, meeting.teams


def _answers(when: When, answer: str) -> bool:
    """Compare an answer; where several were ticked, each on a line, one of them is enough."""
    if when.contains:
        return folded(when.contains) in folded(answer)
    return any(_same(when.answer, given) for given in (answer, *answer.splitlines()))


def _same(one: str, other: str) -> bool:
    return bool(other.strip()) and folded(one) == folded(other)


def _told(when: When) -> str:
    if when.question:
        said = f"contains {when.contains!r}" if when.contains else f"is {when.answer!r}"
        return f"the answer to {when.question!r} {said}"
    if when.event_type:
        return f"the event type is {when.event_type!r}"
    return f"the host is {when.host}" if when.host else f"the host is in the team {when.team!r}"


def _places(channel: str, why: str, meeting: Meeting) -> Iterator[Place]:
    if channel != HOST:
        yield Place(key=channel, label=channel, why=why)
        return
    for host in meeting.hosts:
        if host.email.strip():
            yield Place(
                key=f"{HOST}:{digest(host.email)}", label=f"direct message to {host.name or host.email}",
                why=why, email=host.email.strip(),
            )  # fmt: skip


def digest(email: str) -> str:
    """Return what stands for an address where nobody has to read it."""
    return hashlib.sha256(folded(email).encode("utf-8", "replace")).hexdigest()[:16]


def _reason(meeting: Meeting, options: SlackOptions, chosen: Sequence[tuple[str, str]]) -> str:
    if chosen:
        return "The card goes to the host, but Calendly names no host with an e-mail address."
    looked = dict.fromkeys(_looked_at(item.when, meeting) for item in options.routes)
    return f"No route fits, and the rule names no channel for the rest. Looked at: {'; '.join(looked)}."


def _looked_at(when: When, meeting: Meeting) -> str:
    """Name what a route looks at; what an invitee answered is not told here."""
    if when.question:
        asked = any(_same(when.question, item.question) for item in meeting.answers)
        return f"the answer to {when.question!r}" + ("" if asked else ", which was not asked")
    if when.event_type:
        return f"event type {meeting.event_type_name or meeting.name or 'unknown'}"
    if when.host:
        return f"host {', '.join(host.email for host in meeting.hosts) or 'none'}"
    return f"teams {', '.join(meeting.teams) or 'none'}"
