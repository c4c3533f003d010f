"""Who signed in, and who failed to.

Signing in stands in the audit log, as an entry of the user about themselves. A failure is a line in the log of the
process alone: an entry needs a user, and nobody who is not signed in may make a table grow.
"""

import logging
from typing import Any

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

logger = logging.getLogger(__name__)


@receiver(user_logged_in)
def note_sign_in(*, request: HttpRequest | None, user: User, **_: Any) -> None:
    """Note in the audit log that somebody signed in with a browser."""
    if request is None or "REMOTE_ADDR" not in request.META:
        return  # a process that signs in for itself, such as a test
    logger.info("Signed in: user=%s", user.pk)
    LogEntry.objects.log_actions(
        user_id=user.pk, queryset=[user], action_flag=CHANGE, change_message="Signed in."
    )


@receiver(user_login_failed)
def note_failure(*, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:  # fmt: skip
    """Log that a sign-in failed: for which user, if there is one; what was typed may be a password."""
    named = str(credentials.get("username", ""))
    user = User.objects.filter(username=named).values_list("pk", flat=True).first()
    address = address_of(request) if request else ""
    logger.warning("Sign-in failed: user=%s from=%s", user or "unknown", address or "-")


def address_of(request: HttpRequest) -> str:
    """Return the address that asks; behind our own proxy, what the proxy saw, which is the last it added."""
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.CALSYNC_TRUST_PROXY else ""
    return forwarded.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR", ""))
