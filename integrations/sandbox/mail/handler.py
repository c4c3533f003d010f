"""What the mail server does at each step, and how it fails where a switch says so."""

import asyncio
import weakref
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from integrations.sandbox.clock import micro
from integrations.sandbox.faults import Fault
from integrations.sandbox.state import SandboxState
from integrations.sandbox.web import Json

SERVICE = "email"
DROPPED = "dropped"
_FAILURES = frozenset({"rate_limited", "error", "timeout", "drop_before", "drop_after"})
REFUSED = "535 5.7.8 Error: authentication credentials invalid"
#: What a switch's code says where the switch does not.
WORDS = {
    421: "4.7.0 Service not available, closing the channel",
    450: "4.2.1 Mailbox busy",
    451: "4.7.1 Too many messages, slow down",
    452: "4.3.1 Insufficient system storage",
    550: "5.1.1 No such user here",
    552: "5.3.4 Message size exceeds the fixed limit",
    553: "5.7.1 Sender address rejected: not owned by user",
    554: "5.7.1 Message rejected as spam",
}


@dataclass
class MailHandler:
    """Keep what is sent, and log each step that was decided: a log-in, a refusal, a message taken."""

    state: SandboxState
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: weakref.WeakKeyDictionary[Session, str] = field(
        default_factory=weakref.WeakKeyDictionary
    )

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Compare user and password. Clients try another mechanism after a no: it is the same no."""
        if session in self._answers:
            return AuthResult(success=False, handled=False, message=self._answers[session])
        faults = self.state.faults
        taken = faults.take(service=SERVICE, method="AUTH", path="/", body="")
        fault = next((one for one in taken if one.kind in {"token_expired", "error", "rate_limited"}), None)  # fmt: skip
        config = self.state.config
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (
            config.mail_username.encode(), config.mail_password.encode(),
        )  # fmt: skip
        answer = ""
        if fault and fault.kind != "token_expired":
            answer = _answer(fault, usual=454)
        elif fault or not good or faults.standing(service=SERVICE, kind="token_revoked"):
            answer = REFUSED
        self._log("AUTH", "/", status=int(answer[:3] or 235), fault=fault)
        if answer:
            self._answers[session] = answer
            return AuthResult(success=False, handled=False, message=answer)
        return AuthResult(success=True)

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's own name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take whom the message is from."""
        if self.state.config.mail_requires_login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        answer = await self._fail(server, "MAIL", f"/{address}")
        if answer is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return answer or "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take one recipient."""
        answer = await self._fail(server, "RCPT", f"/{address}")
        if answer is None:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return answer or "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take the message, as far as no switch says otherwise."""
        raw = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()  # fmt: skip
        path = "/" + ",".join(envelope.rcpt_tos)

        def keep() -> None:
            self.state.mail.keep(raw, sender=envelope.mail_from or "", recipients=envelope.rcpt_tos)

        answer = await self._fail(server, "DATA", path, body=raw.decode(errors="replace"), keep=keep)  # fmt: skip
        if answer is None:
            keep()
            self._log("DATA", path, status=250)
        return answer or "250 2.0.0 OK: queued"

    async def _fail(
        self, server: SMTP, step: str, path: str, *, body: str = "", keep: Any = None
    ) -> str | None:
        """Return the answer that a switch gives instead of the usual one, None where there is none."""
        taken = self.state.faults.take(service=SERVICE, method=step, path=path, body=body)
        for slow in (one for one in taken if one.kind == "latency"):
            await self._wait(slow, default=1)
        fault = next((one for one in taken if one.kind in _FAILURES), None)
        if fault is None:
            return None
        if fault.kind in {"rate_limited", "error"}:
            answer = _answer(fault, usual=451 if fault.kind == "rate_limited" else 550)
            self._log(step, path, status=int(answer[:3]), fault=fault)
            return answer
        if keep and (fault.kind == "drop_after" or fault.params.get("take_effect")):
            keep()
        if fault.kind == "timeout":
            await self._wait(fault, default=60)
        self._log(step, path, status=DROPPED, fault=fault)
        hang_up(server)
        return "421 4.3.2 gone"

    async def _wait(self, fault: Fault, *, default: float) -> None:
        seconds = float(fault.params.get("seconds", default))
        try:
            await asyncio.wait_for(self.stopping.wait(), timeout=seconds)
        except TimeoutError:
            return

    def _log(self, method: str, path: str, *, status: int | str, fault: Fault | None = None) -> None:  # fmt: skip
        seen: Json = {
            "at": micro(self.state.clock.now()), "service": SERVICE, "method": method, "path": path, "query": {},
            "headers": {}, "body": None, "status": status, "fault": fault.kind if fault else None, "duration_ms": 0.0,
        }  # fmt: skip
        self.state.log.put(**seen)


def hang_up(server: SMTP) -> None:
    """Cut a connection without a word."""
    if isinstance(server.transport, asyncio.Transport):
        server.transport.abort()


def _answer(fault: Fault, *, usual: int) -> str:
    status = int(fault.params.get("status", usual))
    words = WORDS.get(status, f"{status // 100}.0.0 Refused by a fault switch")
    return f"{status} {fault.params.get('text', words)}"
