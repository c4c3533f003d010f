"""What a mail server's answers mean, named by what happens next.

A server answers each step: the log-in, MAIL (who it is from), RCPT (each recipient), and the end of DATA, where it takes
the message or not. Only a connection lost while that last answer is awaited leaves it open whether it took it.
Source: https://www.rfc-editor.org/rfc/rfc5321#section-4.2, https://www.rfc-editor.org/rfc/rfc3463
"""

import re
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from integrations.connectors.email import addresses
from integrations.errors import (
    BusyTargetError,
    ConfigurationError,
    IntegrationError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from integrations.http import BadCertificateError

_WAIT = "Nothing to do: it is tried again. If it lasts, check the mail server and the network."
_SLOW = frozenset({421, 450, 451, 452})
_LOG_IN = frozenset({530, 534, 535, 538})
_ENHANCED = re.compile(r"^\s*([245]\.\d{1,3}\.\d{1,3})\b")

Meaning = tuple[type[IntegrationError], str]

_ACCOUNT: Meaning = (
    ConfigurationError,
    "Enter the user name and password that the mail server wants; some want a password of its own for applications.",
)
_UNKNOWN: Meaning = (PermanentError, "The mail server will not take it. Its words say why.")
#: What a lasting refusal means, by the step.
_REFUSED: Mapping[str, Meaning] = {
    "connect": (ConfigurationError, "The mail server does not take mail from here. Ask who runs it."),
    "MAIL": (
        ConfigurationError,
        "The mail server does not let this account send from the connection's from_address. Correct it, or allow it there.",
    ),
    "DATA": (
        PermanentError,
        "The mail server refuses the message for what it says or how it is signed (spam, SPF, DKIM). Ask who runs it.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Hold a server's answer to one step: connect, log-in, MAIL, RCPT or DATA."""

    step: str
    code: int
    text: str

    @property
    def said(self) -> str:
        """Return the server's words, with its code."""
        return f"{self.code} {self.text}".strip()

    @property
    def status(self) -> str:
        """Return the enhanced status code, such as 5.1.1, where the server gave one."""
        found = _ENHANCED.match(self.text)
        return found[1] if found else ""


def reply(step: str, code: int, text: bytes | str) -> Reply:
    """Return an answer as it can be shown: one line, no controls."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return Reply(step=step, code=code, text=addresses.line(words, limit=400))


def refusal(answer: Reply) -> IntegrationError:
    """Return what a refused connection, log-in, sender or message means."""
    kind, hint = _log_in(answer) if answer.step == "log-in" else _meaning(answer)
    return kind(f"The mail server answered {answer.step} with {answer.said!r}.", hint=hint)


def _log_in(answer: Reply) -> Meaning:
    return (TemporaryError, _WAIT) if answer.code in {421, 451, 454} else _ACCOUNT


def _meaning(answer: Reply) -> Meaning:
    """Return what becomes of it, and what a person can do."""
    if answer.code in _SLOW:
        return ThrottledError, "Nothing to do: the mail server asked us to wait."
    if answer.code in _LOG_IN:
        return _ACCOUNT
    if answer.code < 500:
        return TemporaryError, _WAIT
    if answer.code == 552 or answer.status in {"5.2.3", "5.3.4"}:
        return RuleError, "The message is larger than the server takes. Shorten the template."
    return _REFUSED.get(answer.step, _UNKNOWN)


def refused_recipient(email: str, answer: Reply) -> IntegrationError:
    """Return what it means that one recipient was refused; a mailbox that is full or greylists must not stop all mail."""
    said = f"The mail server refused {email}: {answer.said!r}."
    if answer.code == 421:
        return ThrottledError(said, hint="Nothing to do: the mail server asked us to wait.")
    if answer.code in _LOG_IN:
        return ConfigurationError(said, hint=_ACCOUNT[1])
    if answer.code < 500:
        return BusyTargetError(said, hint=_WAIT)
    if answer.status.startswith("5.7"):
        return PermanentError(
            said,
            hint="The mail server may not, or will not, mail this address for us. Its words say why.",
        )
    return PermanentError(said, hint="Check the address, with the person if need be; then retry. Who was accepted is not mailed again.")  # fmt: skip


def no_answer(error: OSError, *, step: str, host: str) -> IntegrationError:
    """Return what it means that a connection failed; `step` is what was awaited.

    Ambiguous is only the end of DATA: before it the server has promised nothing.
    """
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ConfigurationError(
            f"{host} does not offer what the connection asks for ({addresses.line(str(error))}).",
            hint="Correct security and port (587 for starttls, 465 for tls), or leave the user name empty.",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        why = addresses.line(getattr(error, "verify_message", "") or "it is not trusted")
        return BadCertificateError(
            f"The TLS certificate of {host} cannot be verified: {why}.",
            hint="Enter the server's name as its certificate has it, or have the certificate renewed.",
        )
    return TemporaryError(
        f"{host} did not answer {step}: {_reason(error)}.", hint=_WAIT, ambiguous=step == "DATA"
    )


def _reason(error: OSError) -> str:
    # smtplib says "closed" of a time-out, too.
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    if isinstance(error, ssl.SSLError):
        return "TLS could not be agreed on; security may not fit the port"
    return "connection lost"
