"""Which rows, as an address says it: forms that turn a query into a choice, and back, and into words.

A cause stands in addresses as its digest: it may name somebody, and addresses are written down everywhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict

from bookings.discretion import Discretion
from bookings.given import is_askable, row_id
from bookings.models import BookingEvent
from integrations.bulk import DeliveryChoice, WebhookChoice
from integrations.causes import digest_of
from integrations.models import Connection, Delivery, InboundWebhook, Rule

_ANY = ("", "Any")
#: Whether a failure still needs a person.
SEEN = (("no", "Open"), ("yes", "Ignored"))
#: Ids in one address, at the most: what a page shows.
MOST_IDS = 100


class Moment(forms.DateTimeField):
    """Take a moment of UTC, as a browser writes it: `2026-11-27T10:00`; a day alone is its first moment."""

    def __init__(self, **kwargs: Any) -> None:
        kind = {"type": "datetime-local", "class": "cs-input cs-when"}
        widget = forms.DateTimeInput(attrs=kind, format="%Y-%m-%dT%H:%M")
        told = {"invalid": "Give the moment as 2026-11-27T10:00 (UTC)."}
        super().__init__(required=False, widget=widget, error_messages=told, **kwargs)

    def clean(self, value: Any) -> datetime | None:
        """Return the moment. Raises ValidationError."""
        found: datetime | None = super().clean(value)
        if found and not is_askable(found):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return found


class Ids(forms.Field):
    """Take the ids of chosen rows."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> tuple[int, ...]:
        """Return the ids. Raises ValidationError."""
        given = [row_id(str(one)) for one in value or []]
        if None in given or len(given) > MOST_IDS:
            raise forms.ValidationError(f"Choose up to {MOST_IDS} rows of the list.")
        return tuple(one for one in given if one is not None)


def _select(choices: Any, **kwargs: Any) -> forms.ChoiceField:
    widget = forms.Select(attrs={"class": "cs-input"})
    return forms.ChoiceField(choices=choices, required=False, widget=widget, **kwargs)


def _connection() -> "forms.ModelChoiceField[Connection]":
    return forms.ModelChoiceField(
        Connection.objects.all(), required=False, empty_label="Any",
        widget=forms.Select(attrs={"class": "cs-input"}),
    )  # fmt: skip


class ChoiceForm(forms.Form):
    """Refuse a span that ends before it begins, and chosen rows of which there are none: no row is not every row."""

    pk = Ids(required=False)
    chosen = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        """Look at each pair of moments, and at the rows."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("chosen") and not cleaned.get("pk") and "pk" not in self.errors:
            self.add_error(None, "Choose at least one row.")
        for name in [name for name in self.fields if name.endswith("_from")]:
            end = name.removesuffix("_from") + "_to"
            if cleaned.get(name) and cleaned.get(end) and cleaned[end] <= cleaned[name]:
                self.add_error(end, "This is not after the moment it begins at.")
        return cleaned


class DeliveryForm(ChoiceForm):
    """Read which deliveries are asked for; `choice` returns them, once the form is valid."""

    connection = _connection()
    failure_class = _select([_ANY, *Delivery.FailureClass.choices], label="What it needs")
    seen = _select(SEEN, label="Show")
    settled_from = Moment(label="Failed from (UTC)")
    settled_to = Moment(label="Failed before (UTC)")
    state = _select([_ANY, *Delivery.State.choices])
    latest = forms.BooleanField(required=False)
    rule = forms.ModelChoiceField(Rule.objects.all(), required=False)
    kind = _select([_ANY, *BookingEvent.Kind.choices])
    cause = forms.CharField(required=False, max_length=16)
    created_from = Moment()
    created_to = Moment()

    #: What a person narrows the inbox by.
    OFFERED = ("connection", "failure_class", "seen", "settled_from", "settled_to")

    def clean_seen(self) -> bool | None:
        """Return whether it was ignored, if that matters."""
        return {"no": False, "yes": True}.get(self.cleaned_data["seen"])

    def offered(self) -> list[forms.BoundField]:
        """Return the fields that the inbox shows."""
        return [self[name] for name in self.OFFERED]

    def choice(self) -> DeliveryChoice:
        """Return what is asked for; the cause is looked up by its digest.

        Raises:
            ValueError: nothing failed of this cause is left.
        """
        said = self.cleaned_data
        same = ("state", "latest", "failure_class", "kind", "created_from", "created_to", "settled_from", "settled_to")  # fmt: skip
        choice = DeliveryChoice(
            pks=said["pk"], acknowledged=said["seen"], connection=_pk(said["connection"]), rule=_pk(said["rule"]),
            **{name: said[name] for name in same},
        )  # fmt: skip
        return choice if not said["cause"] else _with_cause(choice, said["cause"])


class WebhookForm(ChoiceForm):
    """Read which webhooks are asked for."""

    connection = _connection()
    state = _select([_ANY, *InboundWebhook.State.choices])
    kind = forms.CharField(required=False, max_length=64)
    received_from = Moment()
    received_to = Moment()

    def choice(self) -> WebhookChoice:
        """Return what is asked for."""
        said = self.cleaned_data
        same = ("state", "kind", "received_from", "received_to")
        return WebhookChoice(
            pks=said["pk"], connection=_pk(said["connection"]), **{name: said[name] for name in same}
        )  # fmt: skip


def translated(given: QueryDict, names: Mapping[str, str]) -> str | None:
    """Return a list's address as the forms here read it; None where it is narrowed by what they do not know, such as a search.

    `names` are the list's own, each with the form's. Two values of one name, and an exact one that is empty, are not
    known either: to read less than the list did would choose more than it shows.
    """
    asked = {name: values for name, values in given.lists() if name not in _PAGING}
    if any(len(values) > 1 or (name.endswith("__exact") and not values[0]) for name, values in asked.items()):  # fmt: skip
        return None
    said = {name: values[0] for name, values in asked.items() if values[0]}
    if set(said) - set(names):
        return None
    return urlencode({names[name]: _SEEN.get(value, value) for name, value in said.items()})


#: What in a list's address narrows nothing.
_PAGING = {"p", "o", "e", "all", "_facets"}
#: How the list of deliveries says whether a failure was seen.
_SEEN = {"unseen": "no", "seen": "yes"}


def problems(form: forms.Form) -> str:
    """Return in one line what is wrong with a form, each with its field."""
    return " ".join(
        f"{form[name].label}: {' '.join(map(str, said))}" if name in form.fields else " ".join(map(str, said))
        for name, said in form.errors.items()
    )  # fmt: skip


def query_of(choice: DeliveryChoice | WebhookChoice) -> str:
    """Return a choice as an address says it."""
    given: dict[str, Any] = {}
    for name in type(choice).__dataclass_fields__:
        value = getattr(choice, name)
        match name:
            case "pks":
                given["pk"] = list(value)
            case "acknowledged" if value is not None:
                given["seen"] = "yes" if value else "no"
            case "cause" if value is not None:
                given["cause"] = digest_of(value)
            case _ if isinstance(value, datetime):
                given[name] = value.isoformat()
            case _ if value:
                given[name] = int(value) if isinstance(value, bool) else value
    return urlencode(given, doseq=True)


def in_words(
    choice: DeliveryChoice | WebhookChoice, *, discretion: Discretion
) -> Iterator[tuple[str, str]]:
    """Yield what was chosen, for people: a name and what it is narrowed to."""
    for name in type(choice).__dataclass_fields__:
        value = getattr(choice, name)
        if value == type(choice).__dataclass_fields__[name].default:
            continue
        yield _LABELS.get(name, name.replace("_", " ").capitalize()), _said(name, value, discretion)


_LABELS = {
    "pks": "Chosen rows", "acknowledged": "Ignored ones", "latest": "Replaced by a later one", "failure_class": "Failed as",
    "created_from": "Planned from", "created_to": "Planned before", "settled_from": "Ended from",
    "settled_to": "Ended before", "kind": "Kind",
}  # fmt: skip


#: What of a choice is not part of an operation's name.
UNTOLD = ("Cause", _LABELS["acknowledged"], _LABELS["latest"])


def _said(name: str, value: Any, discretion: Discretion) -> str:
    match name:
        case "pks":
            return f"{len(value)}"
        case "cause":
            return discretion.text(value)
        case "acknowledged":
            return "only these" if value else "left out"
        case "latest":
            return "left out"
        case "connection":
            return str(Connection.objects.filter(pk=value).first() or f"#{value}, deleted")
        case "rule":
            return str(Rule.objects.filter(pk=value).first() or f"#{value}, deleted")
    return f"{value:%d %b %Y, %H:%M} UTC" if isinstance(value, datetime) else str(value)


def _pk(row: Any) -> int | None:
    return row.pk if row else None


def _with_cause(choice: DeliveryChoice, digest: str) -> DeliveryChoice:
    """Return the choice narrowed to the cause whose digest this is, among those of its connection and class."""
    alike = Delivery.objects.filter(
        state=Delivery.State.FAILED,
        connection=choice.connection,
        failure_class=choice.failure_class,
    )
    if choice.acknowledged is not None:
        alike = alike.filter(acknowledged_at__isnull=not choice.acknowledged)
    causes = alike.order_by().values_list("cause", flat=True).distinct()
    found = next((cause for cause in causes if digest_of(cause) == digest), None)
    if found is None:
        raise ValueError("Nothing of this cause is left: it was sent again or ignored meanwhile.")
    return replace(choice, cause=found)
