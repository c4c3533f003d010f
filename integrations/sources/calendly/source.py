"""Calendly as a source: settings and the clock are read here, the work is done by its neighbours."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.utils import timezone

from bookings.snapshots import Snapshot
from integrations.budget import Priority
from integrations.granting import OAuth, Profile
from integrations.http import HttpClient
from integrations.models import Account
from integrations.sources.base import Parsed, Source, Verification
from integrations.sources.calendly import canceling, fetching, no_shows, profile, signature
from integrations.sources.calendly.client import CalendlyClient
from integrations.sources.calendly.oauth import CalendlyOAuth
from integrations.sources.calendly.payloads import parse_webhook
from integrations.sources.calendly.reader import CalendlyReader
from integrations.sources.calendly.scope_purposes import PURPOSES
from integrations.sources.calendly.settings import CalendlySettings
from integrations.sources.calendly.subscriptions import CalendlySubscriptions
from integrations.sources.reading import Reader
from integrations.sources.subscribing import Subscriptions


class CalendlySource(Source):
    """Bring Calendly's bookings in."""

    label: ClassVar[str] = "Calendly"
    purpose: ClassVar[str] = (
        "Where bookings come from: each booking, change and cancellation arrives within seconds."
    )
    needs: ClassVar[Sequence[str]] = (
        "an owner or admin of the Calendly organization, on a paid plan",
        "an OAuth app of yours at Calendly, or a personal access token",
    )
    guide: ClassVar[str] = "https://developer.calendly.com/"
    scope_purposes: ClassVar[Mapping[str, str]] = PURPOSES
    secret_fields: ClassVar[Mapping[str, str]] = {
        "access_token": (
            "Personal access token of an owner or admin of the organization, where the account is not connected by OAuth."
        )
    }
    settings_model: ClassVar[type[CalendlySettings]] = CalendlySettings

    def describe(self, account: Account) -> Profile:
        """Ask Calendly whose token it is, and for OAuth what was granted."""
        with closing(HttpClient()) as http:
            return profile.describe(account, http=http)

    def verify(
        self, *, body: bytes, headers: Mapping[str, str], keys: Mapping[str, str], now: datetime
    ) -> Verification:
        """Check the signature on the raw bytes against each named key; never raises for bad input."""
        return signature.verify(
            body=body,
            headers=headers,
            keys=keys,
            now=now,
            tolerance_seconds=settings.WEBHOOK_TOLERANCE_SECONDS,
            late_seconds=settings.WEBHOOK_LATE_SECONDS,
        )

    def parse(self, body: bytes, *, received_at: datetime) -> Parsed:
        """Read a webhook's body; never raises for bad input."""
        return parse_webhook(body, received_at=received_at)

    def fetch(
        self, account: Account, *, uri: str, priority: Priority = Priority.LIVE
    ) -> Snapshot | None:
        """Ask Calendly for one object, a booking with all its invitees; None when it does not exist there."""
        with closing(HttpClient()) as http:
            client = CalendlyClient.for_account(account, http=http, priority=priority)
            return fetching.fetch(client, uri=uri, observed_at=timezone.now())

    def mark_no_show(self, account: Account, *, invitee_uri: str, look_first: bool = False) -> str:
        """Mark an invitee as a no-show and return the mark's URI; one that is there already is returned."""
        with closing(HttpClient()) as http:
            client = CalendlyClient.for_account(account, http=http)
            return no_shows.mark(client, invitee_uri=invitee_uri, look_first=look_first)

    def unmark_no_show(self, account: Account, *, no_show_uri: str) -> None:
        """Take a no-show back; one that is gone already is fine."""
        with closing(HttpClient()) as http:
            client = CalendlyClient.for_account(account, http=http)
            no_shows.unmark(client, no_show_uri=no_show_uri)

    def cancel(self, account: Account, *, booking_uri: str, reason: str) -> None:
        """Cancel a booking with everybody in it; one that is canceled already is fine."""
        with closing(HttpClient()) as http:
            client = CalendlyClient.for_account(account, http=http)
            canceling.cancel(client, booking_uri=booking_uri, reason=reason)

    @property
    def oauth(self) -> OAuth:
        """Return how a person grants access."""
        return CalendlyOAuth()

    @property
    def subscriptions(self) -> Subscriptions:
        """Return how our URLs are subscribed."""
        return CalendlySubscriptions()

    def open_reader(self, account: Account) -> Reader:
        """Return a reader for one slice of a backfill; close it."""
        return CalendlyReader(account)
