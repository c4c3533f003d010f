"""Speak SMTP through Django's backend: each step's answer is looked at, every exchange recorded.

Django's own sending tells neither which recipients were refused nor at which step it failed, so the steps are ours.
"""

import smtplib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend

from integrations.connectors.email.errors import Reply, no_answer, refusal, reply
from integrations.connectors.email.options import EmailSettings
from integrations.connectors.email.server import require_allowed, server_url
from integrations.errors import ConfigurationError, IntegrationError
from integrations.http import Recorder

_SHOWN = 1_500


@dataclass(slots=True, kw_only=True)
class Sent:
    """Say which recipients the server took the message for, and what it said of the others."""

    accepted: list[str] = field(default_factory=list)
    refused: dict[str, Reply] = field(default_factory=dict)


class MailSession:
    """One logged-in connection to the mail server; a context manager."""

    def __init__(
        self, settings: EmailSettings, *, password: str, recorder: Recorder, timeout: float
    ) -> None:
        require_allowed(settings)
        if bool(settings.username) != bool(password):
            lacking = "password" if settings.username else "user name"
            raise ConfigurationError(
                f"The e-mail connection has no {lacking}.",
                hint="Enter both user name (in the settings) and password (a secret), or neither.",
            )
        self._settings = settings
        self._password = password
        self._recorder = recorder
        self._step = ""
        self._backend = EmailBackend(
            host=settings.host, port=settings.port, username=settings.username, password=password,
            use_tls=settings.security == "starttls", use_ssl=settings.security == "tls", timeout=timeout,
            ssl_keyfile="", ssl_certfile="",
        )  # fmt: skip

    @property
    def url(self) -> str:
        """Return the server's address as exchanges show it."""
        return server_url(self._settings)

    def __enter__(self) -> Self:
        """Connect and log in.

        Raises:
            IntegrationError: the server does not answer, or refuses us.
        """
        started, name = time.monotonic(), self._settings.username
        request = {"security": self._settings.security, "username": name}
        try:
            self._backend.open()
        except UnicodeError:  # the error would quote the password
            self._drop()
            raise ConfigurationError(
                "User name or password hold characters that cannot be sent.",
                hint="Choose a password of letters, digits and signs without accents, and enter it again.",
            ) from None
        except OSError as error:
            failure = _opening_failed(error, host=self._settings.host)
            self._drop()
            self._note("LOGIN", request, started, code=_code(error), error=str(failure))
            raise failure from error
        said = "235 logged in" if name else "220 connected"
        self._note("LOGIN", request, started, code=int(said[:3]), response=said)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        """Say good-bye, if anybody still listens: what was accepted stays so."""
        try:
            self._backend.close()
        except OSError:
            self._drop()

    def send(self, message: EmailMultiAlternatives, *, recipients: Sequence[str], show: Mapping[str, Any]) -> Sent:  # fmt: skip
        """Hand over one message, and say for whom the server took it.

        Raises:
            IntegrationError: it was taken for nobody, for a reason that is not one recipient's own.
        """
        started = time.monotonic()
        # One dialect for what is signed, counted and sent.
        raw = message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]  # Django's own
        try:
            sent, last = self._transfer(raw, recipients)
        except OSError as error:
            failure = _failed(error, step=self._step, host=self._settings.host)
            self._drop()
            self._note("MAIL", show, started, code=_code(error), error=str(failure))
            raise failure from error
        except _Refused as error:
            _reset(self._backend.connection)
            self._note("MAIL", show, started, code=error.reply.code, response=error.reply.said)
            raise refusal(error.reply) from error
        others = {email: answer.said for email, answer in sent.refused.items()}
        self._note("MAIL", show, started, code=last.code, response={"server": last.said, **others})
        return sent

    def _transfer(self, raw: bytes, recipients: Sequence[str]) -> tuple[Sent, Reply]:
        """Go through the steps, and return what the last answer was."""
        self._step = "MAIL"
        smtp, sender = self._smtp(), self._settings.bounce_address or self._settings.from_address
        _expect(self._step, 250, smtp.mail(sender, _options(smtp, raw)))
        self._step = "RCPT"
        sent = _name_recipients(smtp, recipients)
        if not sent.accepted or _closing(sent):
            _reset(smtp)
            return replace(sent, accepted=[]), next(iter(sent.refused.values()))
        self._step = "DATA"
        return sent, _data(smtp, raw)

    def _smtp(self) -> smtplib.SMTP:
        if self._backend.connection is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        smtp: smtplib.SMTP = self._backend.connection
        smtp.ehlo_or_helo_if_needed()
        return smtp

    def _drop(self) -> None:
        """Let go of a connection without a word: nobody listens, or what they would say is of no use."""
        for name in ("connection", "_partial_connection"):
            held = getattr(self._backend, name)
            if held is not None:
                held.close()
                setattr(self._backend, name, None)

    def _note(self, method: str, request: object, started: float, *, code: int | None, response: object = None, error: str = "") -> None:  # fmt: skip
        self._recorder.record(
            method=method, url=self.url, request=request, status=code, response=response,
            seconds=time.monotonic() - started, error=error,
        )  # fmt: skip


class _Refused(Exception):
    """A step that was answered with no."""

    def __init__(self, answer: Reply) -> None:
        super().__init__(answer.said)
        self.reply = answer


def shown(message: EmailMultiAlternatives, *, sender: str, recipients: Sequence[str]) -> dict[str, Any]:  # fmt: skip
    """Return what an exchange shows of a message: envelope and head, and the beginning of its words."""
    text = str(message.body)
    return {
        "from": sender, "to": list(recipients), "subject": str(message.subject),
        "message_id": message.extra_headers["Message-ID"],
        "text": text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... [{len(text)} characters]",
    }  # fmt: skip


def _expect(step: str, wanted: int, answered: tuple[int, bytes]) -> Reply:
    answer = reply(step, *answered)
    if answer.code != wanted:
        raise _Refused(answer)
    return answer


def _name_recipients(smtp: smtplib.SMTP, recipients: Sequence[str]) -> Sent:
    """Name each recipient, until the server closes the connection; say which of them it would take."""
    sent = Sent()
    for email in recipients:
        answer = reply("RCPT", *smtp.rcpt(email))
        if answer.code in (250, 251):
            sent.accepted.append(email)
            continue
        sent.refused[email] = answer
        if _closing(sent):
            break
    return sent


def _options(smtp: smtplib.SMTP, raw: bytes) -> list[str]:
    options = [f"SIZE={len(raw)}"] if smtp.has_extn("size") else []
    return [*options, "BODY=8BITMIME"] if smtp.has_extn("8bitmime") else options


def _data(smtp: smtplib.SMTP, raw: bytes) -> Reply:
    try:
        return _expect("DATA", 250, smtp.data(raw))
    except smtplib.SMTPDataError as error:  # refused before a byte was sent
        raise _Refused(reply("DATA", error.smtp_code, error.smtp_error)) from error


def _closing(sent: Sent) -> bool:
    return any(answer.code == 421 for answer in sent.refused.values())


def _reset(smtp: smtplib.SMTP | None) -> None:
    """Forget a message half told; a connection that is gone is noticed with the next."""
    try:
        if smtp is not None:
            smtp.rset()
    except OSError:
        smtp.close() if smtp else None


def _opening_failed(error: OSError, *, host: str) -> IntegrationError:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return refusal(reply("log-in", error.smtp_code, error.smtp_error))
    if isinstance(error, smtplib.SMTPResponseException):
        return refusal(reply("connect", error.smtp_code, error.smtp_error))
    return no_answer(error, step="the connection", host=host)


def _failed(error: OSError, *, step: str, host: str) -> IntegrationError:
    if isinstance(error, smtplib.SMTPResponseException):
        return refusal(reply(step, error.smtp_code, error.smtp_error))
    return no_answer(error, step=step, host=host)


def _code(error: OSError) -> int | None:
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None
