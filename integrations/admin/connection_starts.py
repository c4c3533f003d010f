"""What can be connected, to choose from: where bookings come from, and what they are carried to."""

from collections.abc import Iterable
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from integrations.admin.cards import Card, Group
from integrations.admin.providers import get_provider


def connection_choices() -> list[Group]:
    """Return every installed source and connector, each with what it is for and what one needs."""
    return [
        Group(title="Where bookings come from", cards=_cards(settings.SOURCES)),
        Group(title="What bookings are carried to", cards=_cards(settings.CONNECTORS)),
    ]


def _cards(names: Iterable[str]) -> list[Card]:
    page = reverse("admin:integrations_connection_add")
    found = [get_provider(name) for name in names]
    return [
        Card(
            label=one.label, about=one.purpose, needs=one.needs,
            url=f"{page}?{urlencode({'provider': one.name})}",
        )
        for one in found
    ]  # fmt: skip
