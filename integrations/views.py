"""The webhook's door: verify the signature on the raw bytes, store, answer. Everything else comes later."""

import logging
from dataclasses import asdict
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import Http404
from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations import health, inbox
from integrations.models import WebhookSubscription
from integrations.sources.base import SignatureOutcome, get_source
from integrations.tasks import nudge_inbox

logger = logging.getLogger(__name__)


class WebhookView(APIView):
    """Take a provider's deliveries at the URL of one subscription.

    200 stored (or known already) · 401 signature missing, malformed, wrong or too old · 404 no such subscription ·
    413 body over `WEBHOOK_MAX_BODY_BYTES` · 503 database away, so that the provider tries again.
    """

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def post(self, request: Request, provider: str, token: UUID) -> Response:
        """Store one delivery and answer; a database connection that went stale is opened once more."""
        if _too_large(request):
            return _refuse(
                status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
                f"The body is larger than {settings.WEBHOOK_MAX_BODY_BYTES} bytes.",
            )
        for last_try in (False, True):
            try:
                return _take(request, provider=provider, token=token)
            except (OperationalError, InterfaceError):
                connection.close()
                if last_try:
                    logger.exception("Webhook not stored: the database is away")
        return _refuse(
            status.HTTP_503_SERVICE_UNAVAILABLE, "The database is away; deliver it again."
        )


class HealthView(APIView):
    """Say that the process answers, without asking anything else."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request) -> Response:
        """Return 200."""
        return Response({"status": "ok"})


class ReadyView(APIView):
    """Say whether webhooks can be stored: 200, or 503 without the database; broker and sweep are told along."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request) -> Response:
        """Return the health of each part."""
        found = health.look(now=timezone.now())
        code = status.HTTP_200_OK if found.ready else status.HTTP_503_SERVICE_UNAVAILABLE
        return Response(asdict(found), status=code)


def _take(request: Request, *, provider: str, token: UUID) -> Response:
    body, now = request._request.body, timezone.now()  # noqa: SLF001  # DRF's parsers must not touch the bytes
    subscription = _subscription(provider, token)
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


def _subscription(provider: str, token: UUID) -> WebhookSubscription:
    found = WebhookSubscription.objects.filter(token=token, connection__provider=provider).first()
    if found is None or provider not in settings.SOURCES:
        raise Http404
    return found


def _too_large(request: Request) -> bool:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return length.isdigit() and int(length) > settings.WEBHOOK_MAX_BODY_BYTES


def _refuse(code: int, detail: str) -> Response:
    return Response({"detail": detail}, status=code)
