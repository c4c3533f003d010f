"""Cancel a meeting at Calendly, with everybody in it; one that is canceled already is fine.

Source: https://developer.calendly.com/api-docs (POST /scheduled_events/{uuid}/cancellation)
"""

import re
from urllib.parse import urlsplit

from integrations.errors import PermanentError
from integrations.sources.calendly.client import CalendlyClient, RoleError

_BOOKING = re.compile(r"/scheduled_events/[A-Za-z0-9_-]+$")


def cancel(client: CalendlyClient, *, booking_uri: str, reason: str) -> None:
    """Cancel the meeting; a refusal is none where the meeting is found canceled.

    Raises:
        PermanentError: Calendly does not know the meeting, or refuses: it has begun, or it belongs to somebody else.
        TemporaryError, ConfigurationError: see `integrations.errors`.
    """
    path = _path(booking_uri)
    try:
        client.post(f"{path}/cancellation", {"reason": reason} if reason else {})
    except (PermanentError, RoleError):
        # Calendly says "already canceled" in words alone: what is there decides.
        if not _is_canceled(client, path):
            raise


def _is_canceled(client: CalendlyClient, path: str) -> bool:
    found = client.find(path)
    return found is not None and found.text("status") == "canceled"


def _path(uri: str) -> str:
    """Return the path of a meeting; the host that a URI names is never asked."""
    found = _BOOKING.search(urlsplit(uri).path)
    if found is None:
        raise PermanentError(
            f"“{uri}” names nothing that Calendly can be asked about.",
            hint="Nothing to do: what came without an address of its own, as from test tools, cannot be changed.",
        )
    return found[0]
