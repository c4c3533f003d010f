"""Keep the participants' calendars true: invite, update, cancel, and take out who left.

What each calendar was told is remembered, with the number of the version (SEQUENCE). A number is used up before it is
sent: a message whose acceptance nobody saw is never followed by another version under the same number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as installation

from integrations.connectors.base import Applied, Decision, Record, Remember, Send, Skip, Step, Task
from integrations.connectors.email import addresses, recipients
from integrations.connectors.email.calendar import Entry, Method, draw, entry_of
from integrations.connectors.email.mailing import (
    Post,
    already_accepted,
    domain,
    mail_record,
    sender_line,
)
from integrations.connectors.email.message import Letter, message_id, person_digest
from integrations.connectors.email.options import EmailSettings, SendInviteOptions
from integrations.connectors.email.recipients import Recipient
from integrations.connectors.email.rendering import choose, fill
from integrations.connectors.values import Facts
from integrations.models import Account

INVITE = "invite"
#: What a calendar shows of which nobody knows whether it was told: the server's answer was lost, or is still awaited.
_PERHAPS = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteWrite:
    """Hold the entry, the number of this version, the letters that are due, and what is known before they are sent."""

    entry: Entry
    sequence: int
    letters: tuple[Letter, ...]
    known: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planner:
    """Hold what every letter of one invitation shares."""

    task: Task
    account: Account
    settings: EmailSettings
    options: SendInviteOptions

    def letter(self, person: Recipient, *, method: Method, entry: Entry, sequence: int, attendees: Sequence[Recipient]) -> Letter:  # fmt: skip
        name = message_id(
            self.account.connection_id, entry.uid, method, sequence, entry.content_hash, person_digest(person.email),
            domain=domain(self.settings),
        )  # fmt: skip
        chosen = self._template(method, stays=person in entry.attendees)
        facts = Facts(meeting=self.task.meeting, booking_url=self.task.booking_url)
        content = fill(
            choose(chosen, self.account.templates), facts, person, options={}, sender=sender_line(self.settings)
        )  # fmt: skip
        return Letter(
            message_id=name, to=(person,), content=content, calendar=method, attendees=tuple(attendees),
            already=already_accepted(self.task, name),
            state=entry.content_hash if person in entry.attendees else "",
        )  # fmt: skip

    def _template(self, method: Method, *, stays: bool) -> str:
        if not stays:
            return self.options.removed_template
        return self.options.template if method == "REQUEST" else self.options.cancel_template


def plan(task: Task, *, account: Account, settings: EmailSettings, options: SendInviteOptions) -> Decision:  # fmt: skip
    """Return which calendars have to be told what, or that all are equal already.

    Raises:
        RuleError: there is no such template, or it cannot be filled in.
    """
    if task.kind in {"no_show", "no_show_removed"}:
        return Skip(reason="A no-show changes no calendar.")
    known = task.record(INVITE)
    told = _told(known)
    if task.meeting.is_canceled and not told:
        return Skip(reason="Nobody was invited, so there is nothing to cancel.")
    found = recipients.find(options.to, task.meeting)
    people = tuple(person for person, _ in told) if task.meeting.is_canceled else found.people
    notes = tuple(Step(name="recipients", detail=note) for note in found.notes)
    if not people and not told:
        return Skip(reason="Nobody is left to invite.", steps=notes)
    entry = entry_of(
        task.meeting, uid=known.remote_id if known else _uid(task, settings), organizer=settings.from_address,
        organizer_name=addresses.name(settings.from_name), attendees=people,
    )  # fmt: skip
    sequence = _sequence(known, entry)
    planner = _Planner(task=task, account=account, settings=settings, options=options)
    letters = tuple(_due(planner, entry, sequence=sequence, told=told))
    if not letters:
        return Skip(reason="already equal", steps=notes)
    write = InviteWrite(entry=entry, sequence=sequence, letters=letters, known=_record(entry, sequence=sequence, told=_before(entry, told, letters)))  # fmt: skip
    return Send(summary=_summary(letters, sequence), payload=write, steps=notes)


def apply(task: Task, decision: Send, *, post: Post, remember: Remember) -> Applied:
    """Use up the version's number, tell each calendar, and remember at once which was told."""
    write: InviteWrite = decision.payload
    told = {item["email"]: dict(item) for item in write.known.data["told"]}
    if not post.dry_run:
        remember(write.known)

    def accepted(letter: Letter, to: list[str]) -> None:
        for email in to:
            if letter.state:
                told[email]["hash"] = letter.state
            else:
                told.pop(email, None)
        remember(mail_record(letter, to, task.delivery_id))
        remember(replace(write.known, data={**write.known.data, "told": list(told.values())}))

    stamp = datetime.now(UTC)
    post.send(write.letters, accepted=accepted, calendar=lambda letter: _drawn(write, letter, stamp))  # fmt: skip
    return Applied(summary=_summary(write.letters, write.sequence), steps=tuple(post.steps))


def _drawn(write: InviteWrite, letter: Letter, stamp: datetime) -> bytes:
    method = letter.calendar or "REQUEST"
    return draw(write.entry, method=method, sequence=write.sequence, stamp=stamp, to=letter.attendees)  # fmt: skip


def _due(planner: _Planner, entry: Entry, *, sequence: int, told: Sequence[tuple[Recipient, str]]) -> list[Letter]:  # fmt: skip
    """Return a letter to each calendar that shows something else, and one to each that is to show nothing more."""
    states = {person.email: state for person, state in told}
    method: Method = "CANCEL" if entry.is_canceled else "REQUEST"
    letters = [
        planner.letter(person, method=method, entry=entry, sequence=sequence, attendees=entry.attendees)
        for person in entry.attendees
        if states.get(person.email) != entry.content_hash
    ]  # fmt: skip
    staying = {person.email for person in entry.attendees}
    letters += [
        planner.letter(person, method="CANCEL", entry=entry, sequence=sequence, attendees=(person,))
        for person, _ in told
        if person.email not in staying
    ]
    return [letter for letter in letters if letter.envelope]


def _told(known: Record | None) -> list[tuple[Recipient, str]]:
    """Return which calendars were told what; an address that was erased meanwhile is none."""
    rows: Sequence[Mapping[str, Any]] = known.data.get("told", ()) if known else ()
    return [
        (
            Recipient(email=row["email"], name=row["name"], role=row["role"], timezone=row["timezone"]),
            row["hash"],
        )
        for row in rows
        if addresses.is_address(row["email"])
    ]  # fmt: skip


def _before(
    entry: Entry, told: Sequence[tuple[Recipient, str]], letters: Sequence[Letter]
) -> list[tuple[Recipient, str]]:
    """Return what the calendars show while the letters are on their way; those that get one may show either."""
    due = {person.email for letter in letters for person in letter.to}
    states = {person.email: state for person, state in told if person.email not in due}
    staying = {person.email for person in entry.attendees}
    people = [*entry.attendees, *(person for person, _ in told if person.email not in staying)]
    return [(person, states.get(person.email, _PERHAPS)) for person in people]


def _record(entry: Entry, *, sequence: int, told: Sequence[tuple[Recipient, str]]) -> Record:
    rows = [
        {"email": person.email, "name": person.name, "role": person.role, "timezone": person.timezone, "hash": state}
        for person, state in told
    ]  # fmt: skip
    return Record(
        object_type=INVITE, remote_id=entry.uid, content_hash=entry.content_hash,
        data={"sequence": sequence, "told": rows},
    )  # fmt: skip


def _sequence(known: Record | None, entry: Entry) -> int:
    if known is None:
        return 0
    last = int(known.data.get("sequence", 0))
    return last if known.content_hash == entry.content_hash else last + 1


def _uid(task: Task, settings: EmailSettings) -> str:
    """Return the meeting's name in calendars, for ever: it is kept in the record."""
    host = urlsplit(installation.CALSYNC_PUBLIC_URL).hostname or ""
    return f"{task.meeting.key}@{host if '.' in host and not host[-1].isdigit() else domain(settings)}"  # fmt: skip


def _summary(letters: Sequence[Letter], sequence: int) -> str:
    verbs = {"REQUEST": "invited" if sequence == 0 else "updated", "CANCEL": "canceled"}
    counts = {
        method: sum(letter.calendar == method for letter in letters)
        for method in ("REQUEST", "CANCEL")
    }
    said = [f"{count} calendar{'s' if count > 1 else ''} {verbs[method]}" for method, count in counts.items() if count]  # fmt: skip
    return f"{', '.join(said)} (version {sequence})."
