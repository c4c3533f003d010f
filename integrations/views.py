"""The doors for webhooks and presses of buttons: verify the signature on the raw bytes, store, answer. The rest comes later."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404
from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations import health, inbox, interactions
from integrations.connectors.base import UnsignedError
from integrations.models import Connection, WebhookSubscription
from integrations.sources.base import SignatureOutcome, get_source
from integrations.tasks import nudge_inbox, nudge_interactions

logger = logging.getLogger(__name__)


class WebhookView(APIView):
    """Take a provider's deliveries at the URL of one subscription.

    200 stored (or known already) · 401 signature missing, malformed, wrong or too old · 404 no such subscription,
    or retired for longer than a provider tries ·
    413 body over `WEBHOOK_MAX_BODY_BYTES` · 503 database away, so that the provider tries again.
    """

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def post(self, request: Request, provider: str, token: UUID) -> Response:
        """Store one delivery and answer."""
        return _store(request, lambda: _take(request, provider=provider, token=token))


class InteractionView(APIView):
    """Take the presses of buttons that people see at one connection.

    200 stored, known already, or nothing of ours · 401 not signed by the provider, or more than five minutes ago ·
    404 no such connection, or nothing can be pressed there · 413 body over `WEBHOOK_MAX_BODY_BYTES` · 503 database away.
    """

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def post(self, request: Request, provider: str, connection_id: int) -> Response:
        """Store one press and answer: somebody waits, three seconds at the most."""
        return _store(
            request, lambda: _take_press(request, provider=provider, connection_id=connection_id)
        )


class HealthView(APIView):
    """Say that the process answers, without asking anything else."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def get(self, request: Request) -> Response:
        """Return 200."""
        return Response({"status": "ok"})


class ReadyView(APIView):
    """Say whether webhooks can be stored: 200, or 503 without the database; broker and sweep are told along."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def get(self, request: Request) -> Response:
        """Return the health of each part."""
        found = health.look(now=timezone.now())
        code = status.HTTP_200_OK if found.ready else status.HTTP_503_SERVICE_UNAVAILABLE
        return Response(asdict(found), status=code)


def _store(request: Request, take: Callable[[], Response]) -> Response:
    """Return what `take` answers; a database connection that went stale is opened once more."""
    if _too_large(request):
        return _refuse(
            status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
            f"The body is larger than {settings.WEBHOOK_MAX_BODY_BYTES} bytes.",
        )
    for last_try in (False, True):
        try:
            return take()
        except (OperationalError, InterfaceError):
            connection.close()
            if last_try:
                logger.exception("Not stored, the database is away: path=%s", request.path)
    return _refuse(status.HTTP_503_SERVICE_UNAVAILABLE, "The database is away; deliver it again.")


def _take_press(request: Request, *, provider: str, connection_id: int) -> Response:
    body, now = request._request.body, timezone.now()  # noqa: SLF001  # as below
    found = Connection.objects.filter(pk=connection_id, provider=provider).first()
    if found is None or not interactions.are_taken(found):
        raise Http404
    try:
        press = interactions.read(found, body=body, headers=request.headers, now=now)
    except UnsignedError:
        logger.warning("Press refused, not rightly signed: connection=%s", connection_id)
        return _refuse(status.HTTP_401_UNAUTHORIZED, "The signature does not fit.")
    if press is None:
        return Response({"status": "ignored"})
    interactions.receive(found, press, now=now)
    nudge_interactions()
    return Response({"status": "received"})


def _take(request: Request, *, provider: str, token: UUID) -> Response:
    body, now = request._request.body, timezone.now()  # noqa: SLF001  # DRF's parsers must not touch the bytes
    subscription = _subscription(provider, token, now=now)
    verification = get_source(provider).verify(
        body=body, headers=request.headers, keys=subscription.signing_keys, now=now
    )
    if verification.outcome is not SignatureOutcome.VALID:
        inbox.tally(subscription, verification.outcome, now=now)
    if not verification.outcome.accepted:
        logger.warning(
            "Webhook refused: subscription=%s why=%s", subscription.pk, verification.outcome
        )
        return _refuse(status.HTTP_401_UNAUTHORIZED, "The signature does not fit.")
    new = inbox.receive(
        subscription, body=body, headers=request.headers, verification=verification, now=now
    )
    if new:
        nudge_inbox()
    return Response({"status": "received" if new else "known"})


def _subscription(provider: str, token: UUID, *, now: datetime) -> WebhookSubscription:
    taken = WebhookSubscription.objects.taken_at(now)
    found = taken.filter(token=token, connection__provider=provider).first()
    if found is None or provider not in settings.SOURCES:
        raise Http404
    return found


def _too_large(request: Request) -> bool:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return length.isdigit() and int(length) > settings.WEBHOOK_MAX_BODY_BYTES


def _refuse(code: int, detail: str) -> Response:
    return Response({"detail": detail}, status=code)
