"""Calendly as a source: settings and the clock are read here, the work is done by its neighbours."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.utils import timezone

from bookings.snapshots import MeetingSnapshot
from integrations.http import HttpClient
from integrations.models import Account
from integrations.sources.base import Parsed, Source, Verification
from integrations.sources.calendly import signature
from integrations.sources.calendly.client import CalendlyClient, fetch_meeting
from integrations.sources.calendly.payloads import parse_webhook


class CalendlySource(Source):
    """Bring Calendly's bookings in."""

    label: ClassVar[str] = "Calendly"
    secret_fields: ClassVar[Mapping[str, str]] = {
        "access_token": "Personal access token of an owner or admin of the organization."
    }

    def check(self, account: Account) -> str:
        """Ask Calendly whose token it is.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `integrations.errors`.
        """
        with closing(HttpClient()) as http:
            user = CalendlyClient.for_account(account, http=http).me()
        return f"Connected to Calendly as {user.text('name')} <{user.text('email')}>."

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

    def fetch_booking(self, account: Account, *, booking_uri: str) -> MeetingSnapshot | None:
        """Ask Calendly for a booking with all its invitees; None when it does not exist there.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `integrations.errors`.
        """
        with closing(HttpClient()) as http:
            client = CalendlyClient.for_account(account, http=http)
            return fetch_meeting(client, booking_uri=booking_uri, observed_at=timezone.now())
