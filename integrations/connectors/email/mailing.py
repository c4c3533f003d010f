"""Decide which messages a rule sends, and send letters one after the other. Who was accepted is not mailed again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.mail import EmailMultiAlternatives

from integrations.connectors.base import Applied, Decision, Record, Remember, Send, Skip, Step, Task
from integrations.connectors.email import recipients
from integrations.connectors.email.client import MailSession, Sent, shown
from integrations.connectors.email.errors import refused_recipient
from integrations.connectors.email.message import (
    Letter,
    compose,
    message_id,
    person_digest,
    record_key,
)
from integrations.connectors.email.options import EmailSettings, SendEmailOptions
from integrations.connectors.email.recipients import Recipient
from integrations.connectors.email.rendering import choose, fill
from integrations.connectors.email.server import server_url
from integrations.connectors.values import Facts
from integrations.errors import IntegrationError, PermanentError
from integrations.http import Recorder
from integrations.models import Account

MAIL = "mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailWrite:
    """Hold the messages that are due."""

    letters: tuple[Letter, ...]


@dataclass(slots=True, kw_only=True)
class Post:
    """Send letters over one session, keep what came of each, and go on where only one recipient was refused."""

    settings: EmailSettings
    password: str
    recorder: Recorder
    timeout: float
    dry_run: bool
    steps: list[Step] = field(default_factory=list)
    failures: list[IntegrationError] = field(default_factory=list)

    def send(
        self,
        letters: Sequence[Letter],
        *,
        accepted: Callable[[Letter, list[str]], None],
        calendar: Callable[[Letter], bytes] = lambda _: b"",
    ) -> None:
        """Send all; `accepted` is told at once for whom the server took a letter.

        Raises:
            IntegrationError: what became of the rest, with the steps that were done.
        """
        if self.dry_run:
            for letter in letters:
                self._hold_back(letter, calendar(letter))
            return
        try:
            with MailSession(
                self.settings, password=self.password, recorder=self.recorder, timeout=self.timeout
            ) as session:
                for letter in letters:
                    self._send(session, letter, accepted=accepted, calendar=calendar(letter))
        except IntegrationError as error:
            raise self._with_steps(error) from error
        if self.failures:
            raise self._with_steps(_worst(self.failures))

    def _send(
        self, session: MailSession, letter: Letter, *, accepted: Callable[[Letter, list[str]], None], calendar: bytes
    ) -> None:  # fmt: skip
        message = compose(letter, self.settings, calendar=calendar)
        show = self._shown(letter, message)
        try:
            sent = session.send(message, recipients=letter.envelope, show=show)
        except PermanentError as error:  # this message alone: the others may be fine
            self.failures.append(error)
            self.steps.append(Step(name="refused", detail=str(error)))
            return
        if sent.accepted:
            accepted(letter, sent.accepted)
        self._tell(letter, sent)

    def _tell(self, letter: Letter, sent: Sent) -> None:
        if sent.accepted:
            told = f"{letter.content.subject!r} to {', '.join(sent.accepted)}."
            self.steps.append(Step(name="sent", detail=told))
        for email, answer in sent.refused.items():
            error = refused_recipient(email, answer)
            self.failures.append(error)
            self.steps.append(Step(name="refused", detail=str(error)))

    def _hold_back(self, letter: Letter, calendar: bytes) -> None:
        message = compose(letter, self.settings, calendar=calendar)
        show = self._shown(letter, message)
        self.recorder.record_not_sent(method="MAIL", url=server_url(self.settings), request=show)
        told = f"Would send {letter.content.subject!r} to {', '.join(letter.envelope)}."
        self.steps.append(Step(name="not sent", detail=told))

    def _shown(self, letter: Letter, message: EmailMultiAlternatives) -> dict[str, Any]:
        show = shown(message, sender=self._sender, recipients=letter.envelope)
        return {**show, "invitation": letter.calendar} if letter.calendar else show

    @property
    def _sender(self) -> str:
        return self.settings.bounce_address or self.settings.from_address

    def _with_steps(self, error: IntegrationError) -> IntegrationError:
        error.steps = tuple({"name": step.name, "detail": step.detail} for step in self.steps)
        return error


def plan(task: Task, *, account: Account, settings: EmailSettings, options: SendEmailOptions) -> Decision:  # fmt: skip
    """Return the messages that are due for an event, or why there are none.

    Raises:
        RuleError: there is no such template, or it cannot be filled in.
    """
    if why := _unfit(task):
        return Skip(reason=why)
    found, copies = (recipients.find(entries, task.meeting) for entries in (options.to, options.cc))
    notes = tuple(Step(name="recipients", detail=note) for note in (*found.notes, *copies.notes))
    if not found.people:
        return Skip(reason="Nobody is left to write to.", steps=notes)
    own = {person.email for person in found.people}
    extra = tuple(person for person in copies.people if person.email not in own)
    letters = [
        _letter(task, person, account=account, settings=settings, options=options, cc=() if place else extra)
        for place, person in enumerate(found.people)
    ]  # fmt: skip
    due = tuple(letter for letter in letters if letter.envelope)
    if not due:
        return Skip(reason="already sent", steps=notes)
    unknown = dict.fromkeys(note for letter in due for note in letter.content.notes)
    notes = (*notes, *(Step(name="template", detail=note) for note in unknown))
    return Send(summary=f"{_counted(due)} from the template {options.template!r}.", payload=MailWrite(letters=due), steps=notes)  # fmt: skip


def apply(task: Task, decision: Send, *, post: Post, remember: Remember) -> Applied:
    """Send what is due, and remember for whom each message was accepted."""
    write: MailWrite = decision.payload
    post.send(write.letters, accepted=lambda letter, to: remember(mail_record(letter, to, task.delivery_id)))  # fmt: skip
    return Applied(summary=f"{_counted(write.letters)} sent.", steps=tuple(post.steps))


def mail_record(letter: Letter, accepted: Sequence[str], delivery_id: int) -> Record:
    """Return what is remembered of a message: a bounce finds its delivery by it."""
    digests = sorted({*letter.already, *map(person_digest, accepted)})
    return Record(
        object_type=MAIL, remote_id=letter.message_id, key=record_key(letter.message_id),
        data={"delivery": delivery_id, "accepted": digests},
    )  # fmt: skip


def already_accepted(task: Task, name: str) -> frozenset[str]:
    """Return the digests of those who have a message."""
    known = task.record(MAIL, record_key(name))
    return frozenset(known.data.get("accepted", ())) if known else frozenset()


def _letter(
    task: Task, person: Recipient, *, account: Account, settings: EmailSettings, options: SendEmailOptions,
    cc: tuple[Recipient, ...],
) -> Letter:  # fmt: skip
    template = choose(options.template, account.templates)
    name = message_id(
        account.connection_id, task.event_id, task.rule_id, person_digest(person.email), domain=domain(settings)
    )  # fmt: skip
    facts = Facts(meeting=task.meeting, booking_url=task.booking_url)
    content = fill(template, facts, person, options=options.model_dump(), sender=sender_line(settings))  # fmt: skip
    return Letter(message_id=name, to=(person,), cc=cc, content=content, already=already_accepted(task, name))  # fmt: skip


def domain(settings: EmailSettings) -> str:
    """Return the domain that the connection's messages are named in."""
    return settings.from_address.rpartition("@")[2]


def sender_line(settings: EmailSettings) -> str:
    """Return who a message says it is from, at its foot."""
    return settings.from_name or settings.from_address


def _unfit(task: Task) -> str:
    """Return why what happened is no longer so: nobody is told of a meeting that was canceled since."""
    meeting = task.meeting
    match task.kind:
        case "booked" | "rescheduled" | "updated" | "starting" | "ended" if meeting.is_canceled:
            return "The meeting was canceled meanwhile."
        case "canceled" if not meeting.is_canceled:
            return "The meeting takes place after all."
        case "no_show" if not meeting.is_no_show:
            return "The no-show was taken back meanwhile."
        case "no_show_removed" if meeting.is_no_show:
            return "The invitee is marked as a no-show again."
    return ""


def _counted(letters: Sequence[Letter]) -> str:
    return "1 message" if len(letters) == 1 else f"{len(letters)} messages"


def _worst(failures: Sequence[IntegrationError]) -> IntegrationError:
    """Return what decides: what may pass is tried again first, and a person is asked for the rest."""
    decisive = next((error for error in failures if not isinstance(error, PermanentError)), None)
    if decisive is not None:
        return decisive
    first, words = failures[0], " ".join(dict.fromkeys(map(str, failures)))
    return type(first)(words, hint=first.hint)
