"""What a new rule begins with: an action of a connection that is chosen from all of them, or another rule."""

import copy
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from bookings.models import BookingEvent
from integrations.admin.cards import Card, Group
from integrations.admin.providers import get_provider
from integrations.models import Connection, Rule

Kind = BookingEvent.Kind

#: Connections that the page lists; more are chosen in the form.
_MOST = 50


def rule_choices(connection: str = "") -> list[Group]:
    """Return what a rule can do, at one connection or at all of them."""
    rows = Connection.objects.filter(provider__in=settings.CONNECTORS)
    if connection.isdigit():
        rows = rows.filter(pk=connection)
    return [
        Group(title=str(row), about=get_provider(row.provider).label, cards=list(_cards(row)))
        for row in rows[:_MOST]
    ]


def rule_initial(connection: str, action: str) -> dict[str, Any]:
    """Return what the form of a rule begins with that was chosen here."""
    row = Connection.objects.filter(pk=connection).first() if connection.isdigit() else None
    label = get_provider(row.provider).actions.get(action) if row else None
    if label is None:
        return {}
    return {"name": _free_name(f"{row}: {label}"), "kinds": [Kind.BOOKED, Kind.RESCHEDULED, Kind.CANCELED]}  # fmt: skip


def copied(rule: Rule) -> Rule:
    """Store a copy of a rule that is switched off, and return it."""
    made = copy.copy(rule)
    made.pk, made._state = None, copy.copy(rule._state)  # noqa: SLF001  # as Django's manual copies a row
    made._state.adding = True  # noqa: SLF001
    made.name, made.enabled = _free_name(f"{rule.name} (copy)"), False
    made.paused_at, made.paused_reason, made.paused_hint = None, "", ""
    made.save()
    return made


def _free_name(wanted: str) -> str:
    """Return a name that no rule has, as near to the wanted one as can be."""
    longest = Rule._meta.get_field("name").max_length or 100  # noqa: SLF001  # Django's documented name
    name, number = wanted[:longest], 2
    while Rule.objects.filter(name=name).exists():
        name = f"{wanted[: longest - 4]} {number}"
        number += 1
    return name


def _cards(connection: Connection) -> Iterator[Card]:
    page = reverse("admin:integrations_rule_add")
    for action, label in get_provider(connection.provider).actions.items():
        asked = urlencode({"connection": connection.pk, "action": action})
        yield Card(label=label, url=f"{page}?{asked}")
