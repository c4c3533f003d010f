"""Mark an invitee as a no-show at Calendly, and take it back; what is so already is fine.

Source: https://developer.calendly.com/api-docs (POST /invitee_no_shows, DELETE /invitee_no_shows/{uuid})
"""

import re
from urllib.parse import urlsplit

from integrations.errors import PermanentError, TemporaryError
from integrations.sources.calendly.answers import LASTING
from integrations.sources.calendly.client import (
    CalendlyClient,
    ConflictError,
    InvalidArgumentError,
)

_INVITEE = re.compile(r"/scheduled_events/[A-Za-z0-9_-]+/invitees/[A-Za-z0-9_-]+$")
_NO_SHOW = re.compile(r"/invitee_no_shows/[A-Za-z0-9_-]+$")


def mark(client: CalendlyClient, *, invitee_uri: str, look_first: bool) -> str:
    """Mark the invitee and return the mark's URI; one that is there already is returned.

    Raises:
        PermanentError: Calendly does not know the invitee, or refuses it.
        TemporaryError, ConfigurationError: see `integrations.errors`.
    """
    path = _path(_INVITEE, invitee_uri)
    if look_first and (known := _mark_of(client, path)):
        return known
    try:
        made = client.post("/invitee_no_shows", {"invitee": invitee_uri})
    except (InvalidArgumentError, ConflictError):
        # Calendly has no code of its own for "marked already".
        if known := _mark_of(client, path):
            return known
        raise
    if not made.uri("uri"):
        raise TemporaryError("Calendly's answer names no mark.", hint=LASTING, ambiguous=True)
    return made.uri("uri")


def unmark(client: CalendlyClient, *, no_show_uri: str) -> None:
    """Take the mark away; one that is gone already is no error.

    Raises:
        TemporaryError, PermanentError, ConfigurationError: see `integrations.errors`.
    """
    client.delete(_path(_NO_SHOW, no_show_uri))


def _mark_of(client: CalendlyClient, path: str) -> str:
    return client.get(path).child("resource").child("no_show").uri("uri")


def _path(shape: re.Pattern[str], uri: str) -> str:
    """Return the path of an object; the host that a URI names is never asked."""
    found = shape.search(urlsplit(uri).path)
    if found is None:
        raise PermanentError(
            f"“{uri}” names nothing that Calendly can be asked about.",
            hint="Nothing to do: what came without an address of its own, as from test tools, cannot be changed.",
        )
    return found[0]
