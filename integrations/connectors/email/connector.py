"""Carry meetings to mailboxes: messages made from templates, and calendar invitations that are kept true."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, ClassVar

from integrations.connectors.base import (
    Applied,
    Connector,
    Decision,
    Forget,
    Notice,
    Record,
    Remember,
    Send,
    Task,
)
from integrations.connectors.email import inviting, mailing, notices
from integrations.connectors.email.client import MailSession
from integrations.connectors.email.mailing import Post, domain, sender_line
from integrations.connectors.email.message import Letter, message_id, person_digest
from integrations.connectors.email.options import (
    ANSWER,
    GUESTS,
    HOST,
    INVITEE,
    EmailNoticeOptions,
    EmailSettings,
    SendEmailOptions,
    SendInviteOptions,
)
from integrations.connectors.email.recipients import Recipient
from integrations.connectors.email.server import require_allowed
from integrations.connectors.email.shipped import SHIPPED
from integrations.errors import IntegrationError, RuleError
from integrations.models import MailTemplate
from integrations.options import Options, read_options, read_settings

_OPTIONS: Mapping[str, type[Options]] = {
    "send_email": SendEmailOptions,
    "send_invite": SendInviteOptions,
}


class EmailConnector(Connector):
    """Send messages from templates and calendar invitations through a mail server."""

    label: ClassVar[str] = "E-mail"
    purpose: ClassVar[str] = (
        "Sends messages from templates and calendar invitations through a mail server of yours; tells staff by mail."
    )
    needs: ClassVar[Sequence[str]] = (
        "a mail server that takes mail for sending (SMTP): its name, and port 587 or 465",
        "an account there with its password (an app password, at Gmail), that may send from your address",
    )
    actions: ClassVar[Mapping[str, str]] = {
        "send_email": "Send a message from a template",
        "send_invite": "Send calendar invitations, and keep them true",
    }
    settings_model: ClassVar[type[Options]] = EmailSettings
    options_model: ClassVar[type[Options]] = SendEmailOptions
    secret_fields: ClassVar[Mapping[str, str]] = {
        "password": "Password of the settings' username at the mail server.",
    }
    secret_hosts: ClassVar[Mapping[str, frozenset[str]]] = {"host": frozenset({"password"})}
    passing_actions: ClassVar[frozenset[str]] = frozenset({"send_email"})
    notifies: ClassVar[bool] = True
    notice_options_model: ClassVar[type[Options]] = EmailNoticeOptions
    uses_templates: ClassVar[bool] = True
    #: Seconds to wait for each answer of the server.
    timeout: ClassVar[float] = 20

    def plan(self, task: Task) -> Decision:
        """Return the messages that are due, or why none is.

        Raises:
            RuleError: the rule's options or its template are wrong.
            ConfigurationError: the connection's settings are wrong.
        """
        settings = self._settings()
        match task.action:
            case "send_email":
                options = read_options(SendEmailOptions, task.options)
                return mailing.plan(task, account=self.account, settings=settings, options=options)
            case "send_invite":
                invite = read_options(SendInviteOptions, task.options)
                return inviting.plan(task, account=self.account, settings=settings, options=invite)
        raise RuleError(f"E-mail has no action {task.action!r}.", hint="Choose one of the actions.")

    def apply(self, task: Task, decision: Send, *, remember: Remember, forget: Forget) -> Applied:
        """Send what is due; repeated, a message keeps its Message-ID and goes to those alone who have it not.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `errors`.
        """
        del forget
        carry_out = inviting.apply if task.action == "send_invite" else mailing.apply
        return carry_out(task, decision, post=self._post(), remember=remember)

    def check(self) -> Applied:
        """Connect and log in.

        Raises:
            ConfigurationError, TemporaryError: what is wrong, with a hint.
        """
        settings = self._settings()
        with MailSession(
            settings, password=self._password, recorder=self.recorder, timeout=self.timeout
        ) as session:
            where = session.url
        who = f"as {settings.username}" if settings.username else "without a log-in"
        return Applied(
            summary=f"Connected to {where} {who}; mail is from {settings.from_address}.", changed=False
        )  # fmt: skip

    def notify(self, notice: Notice, *, options: Mapping[str, Any], look_first: bool) -> Record:
        """Mail a notice to fixed addresses. A second try has the same Message-ID, so there is nothing to look for.

        Raises:
            IntegrationError: it was accepted for nobody; else the record holds who was refused.
        """
        del look_first
        settings, chosen = (
            self._settings(),
            read_options(EmailNoticeOptions, options, whose="channel"),
        )
        people = tuple(Recipient(email=email) for email in dict.fromkeys(chosen.to))
        digests = sorted(person_digest(person.email) for person in people)
        name = message_id(self.account.connection_id, "notice", notice.key, *digests, domain=domain(settings))  # fmt: skip
        content = notices.draw(notice, sender=sender_line(settings))
        letter = Letter(message_id=name, to=people, content=content)
        accepted: list[str] = []
        post = self._post()
        try:
            post.send([letter], accepted=lambda _, to: accepted.extend(to))
        except IntegrationError:
            if not accepted:
                raise
        refused = [step.detail for step in post.steps if step.name == "refused"]
        return Record(object_type="notice", remote_id=name, key=notice.key, data={"refused": refused})  # fmt: skip

    @classmethod
    def options_for(cls, action: str) -> type[Options]:
        """Return the options of an action."""
        return _OPTIONS.get(action, SendEmailOptions)

    @classmethod
    def check_rule(
        cls, action: str, options: Mapping[str, Any], *, templates: Mapping[str, MailTemplate]
    ) -> Sequence[str]:
        """Return which templates a rule names that there are not."""
        known = sorted({*templates, *SHIPPED})
        return [
            f"{part}: there is no e-mail template {name!r}. Add it under E-mail templates first, or name one of: {', '.join(known)}."
            for part, name in cls.templates_of(action, options).items()
            if name not in known
        ]

    @property
    def lacks(self) -> Sequence[str]:
        """Return the password where there is a user name."""
        needs_it = bool(self.account.settings.get("username"))
        return ("the password",) if needs_it and not self._password else ()

    @classmethod
    def in_words(cls, action: str, options: Mapping[str, Any]) -> str:
        """Return what is sent to whom; of people who are named, how many."""
        usual = cls.options_for(action).model_fields["to"].get_default()
        whom = _whom(options.get("to") or usual)
        if action == "send_invite":
            return f"send calendar invitations to {whom}, and keep them true"
        return f"send the message “{options.get('template', '?')}” to {whom} by e-mail"

    @classmethod
    def option_choices(
        cls, action: str, *, templates: Mapping[str, MailTemplate]
    ) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Return the templates that there are, wherever one is named."""
        known = {name: item.label for name, item in {**SHIPPED, **templates}.items()}
        return dict.fromkeys(cls.templates_of(action, {}), sorted(known.items(), key=itemgetter(1)))

    @classmethod
    def templates_of(cls, action: str, options: Mapping[str, Any]) -> dict[str, str]:
        """Return the template that each option of a rule names, or leaves at what is usual."""
        fields = cls.options_for(action).model_fields
        return {
            part: str(options.get(part, info.default))
            for part, info in fields.items()
            if part.endswith("template")
        }

    @classmethod
    def check_secret(cls, name: str, value: str) -> str:
        """Return why a password cannot be used."""
        if not (value.isascii() and value.isprintable()):
            return "The password holds characters that a log-in by SMTP cannot send; use letters, digits and signs without accents."  # fmt: skip
        return ""

    def _post(self) -> Post:
        settings = self._settings()
        require_allowed(settings)
        return Post(
            settings=settings, password=self._password, recorder=self.recorder, timeout=self.timeout,
            dry_run=self.dry_run,
        )  # fmt: skip

    @property
    def _password(self) -> str:
        return self.account.secrets.get("password", "")

    def _settings(self) -> EmailSettings:
        return read_settings(EmailSettings, self.account.settings)


def _whom(recipients: object) -> str:
    """Return recipients in words: kinds of people as they are, addresses by their number."""
    given = [str(one) for one in recipients] if isinstance(recipients, list) else []
    words = [f"the {one}" for one in given if one in {HOST, INVITEE, GUESTS}]
    words += ["who is named in an answer"] if any(one.startswith(ANSWER) for one in given) else []
    count = len([one for one in given if "@" in one and not one.startswith(ANSWER)])
    words += [f"{count} address{'es' if count > 1 else ''}"] if count else []
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:]))) or "nobody"
