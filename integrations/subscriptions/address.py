"""The URLs that providers deliver to: made here, and recognised here."""

from uuid import UUID

from django.conf import settings
from django.urls import reverse

from integrations.models import WebhookSubscription

_NONE = UUID(int=0)


def webhook_url(subscription: WebhookSubscription) -> str:
    """Return the full URL that the provider delivers to."""
    return _url(subscription.connection.provider, subscription.token)


def token_in(url: str, *, provider: str) -> UUID | None:
    """Return the token of a URL of this installation's own; None for every other address.

    The whole address in front of the token must be ours: another installation may live at the same host.
    """
    own = _url(provider, _NONE).removesuffix(str(_NONE))
    if not url.startswith(own):
        return None
    try:
        return UUID(url.removeprefix(own).removesuffix("/"))
    except ValueError:
        return None


def _url(provider: str, token: UUID) -> str:
    return f"{settings.CALSYNC_PUBLIC_URL}{reverse('webhook', args=[provider, token])}"
