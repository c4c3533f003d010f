"""A signed probe through our own front door: the public URL leads here, and what is delivered to it is stored."""

import hashlib
import json
import secrets
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests

from integrations.errors import ConfigurationError, TemporaryError
from integrations.http import BadCertificateError, HttpClient
from integrations.models import InboundWebhook, WebhookSubscription
from integrations.sources.base import get_source
from integrations.subscriptions.address import webhook_url

#: The event of a probe's body; a source ignores it, and says why.
PROBE = "calsync.probe"
_WHAT_STANDS_IN_THE_WAY = {
    401: "The signature did not fit: rotate the signing key, and see that the server's clock is right.",
    403: "A proxy or firewall refuses it: let POSTs to /webhooks/ pass.",
    404: "Another site answers there, or the proxy does not pass /webhooks/ on. Correct CALSYNC_PUBLIC_URL or the proxy.",
    405: "Another site answers there. Correct CALSYNC_PUBLIC_URL or the proxy.",
    413: "The proxy allows smaller bodies only: raise its limit to that of WEBHOOK_MAX_BODY_BYTES.",
}
#: Seconds to connect and to wait for the answer: no provider waits longer than Calendly's 15.
_PATIENCE = (3.05, 15.0)
_SERVER_FAILS = "The web process or its database does not answer; see /readyz and its log."
_REDIRECTED = (
    "The provider takes a redirect for a failure and disables the subscription after a day. "
    "Set CALSYNC_PUBLIC_URL to where it leads, or stop the proxy from redirecting /webhooks/."
)
_NO_ANSWER = (
    "Start the web process and the proxy in front of it, or set CALSYNC_PUBLIC_URL to where they are reached from "
    "outside. If only this machine cannot reach it, see that its name service and firewall let it call itself."
)
_CERTIFICATE = (
    "The provider does not deliver there either: install a certificate that is in date, for this name, and not "
    "self-signed, with its intermediate ones."
)
_NOT_PUBLIC = "Set CALSYNC_PUBLIC_URL to the https:// address under which the provider reaches this installation."


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Say what one check found; `hint` tells a person what to do."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def probe(subscription: WebhookSubscription, *, now: datetime) -> Checked:
    """Deliver a signed body to the subscription's URL as the provider would, and see whether it is stored here.

    Raises:
        ConfigurationError: the key cannot be read.
    """
    url, key = webhook_url(subscription), subscription.signing_keys.get("current", "")
    body = _probe_body(now)
    headers = get_source(subscription.connection.provider).subscriptions.sign(body, key=key, now=now)  # fmt: skip
    try:
        with closing(HttpClient(own_host=urlsplit(url).hostname or "", timeout=_PATIENCE)) as http:
            answer = http.request("POST", url, headers=headers, content=body)
    except BadCertificateError as error:
        return _failed(str(error), hint=_CERTIFICATE)
    except TemporaryError as error:
        return _failed(str(error), hint=_NO_ANSWER)
    except ConfigurationError as error:
        return _failed(str(error), hint=_NOT_PUBLIC)
    if not answer.ok or answer.is_redirect:
        return _not_taken(answer)
    return _stored(subscription, body, url=url, status=answer.status_code)


def _stored(subscription: WebhookSubscription, body: bytes, *, url: str, status: int) -> Checked:
    digest = hashlib.sha256(body).hexdigest()
    row = InboundWebhook.objects.filter(subscription=subscription, body_sha256=digest).first()
    if row is None:
        return _failed(
            f"{url} answered {status}, but nothing was stored here.",
            hint="Another installation answers there. Correct CALSYNC_PUBLIC_URL.",
        )
    place = urlsplit(url).netloc
    said = f"Taken at {place} and stored as webhook #{row.pk}, signed with the current key."
    return Checked(name="Probe", ok=True, detail=said)


def _probe_body(now: datetime) -> bytes:
    at = now.astimezone(UTC).isoformat().replace("+00:00", "Z")
    found = {"event": PROBE, "created_at": at, "payload": {"probe": secrets.token_hex(8)}}
    return json.dumps(found).encode()


def _not_taken(answer: requests.Response) -> Checked:
    status = answer.status_code
    if 300 <= status < 400:
        to = answer.headers.get("Location", "an address that is not named")
        return _failed(f"Answered {status}, a redirect to {to}.", hint=_REDIRECTED)
    return _failed(f"Answered {status}.", hint=_WHAT_STANDS_IN_THE_WAY.get(status, _SERVER_FAILS))


def _failed(detail: str, *, hint: str) -> Checked:
    return Checked(name="Probe", ok=False, detail=detail, hint=hint)
