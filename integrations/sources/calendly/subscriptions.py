"""Webhook subscriptions at Calendly: which ones an account needs, and making, listing and deleting them.

There is no update and no re-enable. A URL can be subscribed once, and events with different scopes need subscriptions
of their own. Source: https://developer.calendly.com/api-docs (webhook subscriptions), https://developer.calendly.com/scopes
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime

from django.conf import settings

from integrations.errors import AccessError, ConfigurationError
from integrations.http import HttpClient
from integrations.models import Account, WebhookSubscription
from integrations.sources.calendly import signature
from integrations.sources.calendly.client import CalendlyClient, ConflictError, NotFoundError
from integrations.sources.calendly.explain import describe
from integrations.sources.calendly.payloads import parse_webhook
from integrations.sources.calendly.payloads.reading import Fields, as_text
from integrations.sources.calendly.reach import (
    has_routing_forms,
    leads,
    may_read,
    scope_of,
    target_of,
)
from integrations.sources.subscribing import Remote, Subscriptions, TakenError, Wanted

_PATH = "/webhook_subscriptions"
_MEETINGS = (
    "invitee.created",
    "invitee.canceled",
    "invitee_no_show.created",
    "invitee_no_show.deleted",
)
#: In the API since 23 October 2026.
_EVENT_TYPES = ("event_type.created", "event_type.updated", "event_type.deleted")
_ROUTING_FORMS = ("routing_form_submission.created",)

Purpose = WebhookSubscription.Purpose


class CalendlySubscriptions(Subscriptions):
    """Look after the webhook subscriptions of one Calendly account at a time."""

    def wanted(self, account: Account) -> tuple[Wanted, ...]:
        """Return meetings and event types in the account's scope, and routing forms where it may have them."""
        scope = scope_of(account)
        target = target_of(account, scope)
        found = [Wanted(purpose=Purpose.MEETINGS, scope=scope, target=target, events=_MEETINGS)]
        if may_read(account, "event_types"):
            found.append(
                Wanted(purpose=Purpose.EVENT_TYPES, scope=scope, target=target, events=_EVENT_TYPES, optional=True)
            )  # fmt: skip
        if has_routing_forms(account):
            found.append(
                Wanted(
                    purpose=Purpose.ROUTING_FORMS, scope="organization", optional=True,
                    target=target_of(account, "organization"), events=_ROUTING_FORMS,
                )
            )  # fmt: skip
        return tuple(found)

    def listed(self, account: Account) -> list[Remote]:
        """Return the subscriptions of the account's own scope, its organization's and its user's."""
        scopes = {"user": None, scope_of(account): None}
        if leads(account):
            scopes["organization"] = None
        with _client(account) as client:
            found = [
                _remote(item)
                for scope in scopes
                for item in client.collect(_PATH, _place(account, scope, target_of(account, scope)))
            ]
        return list({remote.uri: remote for remote in found}.values())

    def find(self, account: Account, *, uri: str) -> Remote | None:
        """Return one subscription, in whatever scope; None if it is gone, or not for this account to see."""
        try:
            with _client(account) as client:
                found = client.find(f"{_PATH}/{uri.rpartition('/')[2]}")
        except AccessError:
            return None
        return None if found is None else _remote(found)

    def create(self, account: Account, wanted: Wanted, *, url: str, signing_key: str) -> Remote:
        """Subscribe a URL; one that is subscribed already is returned as it is."""
        body: dict[str, object] = {
            "url": url,
            "events": list(wanted.events),
            **_place(account, wanted.scope, wanted.target),
        }
        if not self.shares_key(account):
            body["signing_key"] = signing_key
        try:
            with _client(account) as client:
                return _remote(client.post(_PATH, body))
        except ConflictError as error:
            same = [remote for remote in self.listed(account) if remote.url == url]
            if not same:
                raise TakenError(str(error), hint=error.hint) from error
            return same[0]

    def delete(self, account: Account, *, uri: str) -> None:
        """Delete a subscription; one that is gone already is no error."""
        with _client(account) as client:
            client.delete(f"{_PATH}/{uri.rpartition('/')[2]}")

    def new_signing_key(self, account: Account) -> str:
        """Return a fresh random key for a personal token, the app's own key for an OAuth connection.

        Raises:
            ConfigurationError: the app's key is not in the settings.
        """
        if not self.shares_key(account):
            return secrets.token_urlsafe(32)
        if not settings.CALENDLY_WEBHOOK_SIGNING_KEY:
            raise ConfigurationError(
                "The webhook signing key of the Calendly app is not set.",
                hint="Set CALENDLY_WEBHOOK_SIGNING_KEY to the key that Calendly showed when the app was made, "
                "and restart.",
            )
        return str(settings.CALENDLY_WEBHOOK_SIGNING_KEY)

    def shares_key(self, account: Account) -> bool:
        """Tell whether this is an OAuth connection: Calendly signs all of an app's subscriptions with one key."""
        return bool(account.secrets.get("refresh_token"))

    def sign(self, body: bytes, *, key: str, now: datetime) -> Mapping[str, str]:
        """Return the headers that Calendly would send with this body."""
        return {
            "Content-Type": "application/json",
            signature.HEADER: signature.sign(body, key, now),
        }

    def sample(self, account: Account, wanted: Wanted) -> bytes | None:
        """Return Calendly's sample of the first event, from the account's own data; None if it has none."""
        place = _place(account, wanted.scope, wanted.target)
        try:
            with _client(account) as client:
                found = client.get("/sample_webhook_data", {"event": wanted.events[0], **place})
        except NotFoundError:
            return None
        return json.dumps(found.raw).encode()

    def explain(self, body: bytes, *, now: datetime) -> str:
        """Return in words what a webhook says, or why it says nothing."""
        return describe(parse_webhook(body, received_at=now))


@contextmanager
def _client(account: Account) -> Iterator[CalendlyClient]:
    with closing(HttpClient()) as http:
        yield CalendlyClient.for_account(account, http=http)


def _place(account: Account, scope: str, target: str) -> dict[str, str]:
    """Return what says where a subscription belongs; the organization is needed in every scope."""
    return {"organization": target_of(account, "organization"), "scope": scope, scope: target}


def _remote(item: Fields) -> Remote:
    scope, events = item.text("scope"), item.get("events")
    return Remote(
        uri=item.uri("uri"),
        url=item.text("callback_url"),
        scope=scope,
        target=item.uri(scope) if scope else "",
        events=tuple(map(as_text, events)) if isinstance(events, list) else (),
        state=item.text("state"),
        retry_started_at=item.moment("retry_started_at"),
    )
