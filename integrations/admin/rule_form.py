"""The form of a rule: what has to happen, where it goes, and the options of the action that is chosen."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
)

from bookings.models import BookingEvent
from integrations.admin import clock_form, condition_form, rule_changes
from integrations.admin.condition_widget import ConditionsField
from integrations.admin.providers import Provider, action_choices, get_provider
from integrations.admin.typed_form import Shape, TypedForm, truth_field, typed_form
from integrations.models import Connection, Rule
from integrations.models.rule import WAITS_AT_MOST


class RuleForm(TypedForm):
    """Choose kinds, connection and action, and check that they fit together."""

    truth = "options"
    chosen_by = "action"
    kinds = forms.MultipleChoiceField(
        label="What has to happen",
        choices=BookingEvent.Kind.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=False,
        help_text=(
            "The rule acts whenever one of these happens to a booking. None: it acts only where another rule names it for "
            "meetings that are booked late."
        ),
    )
    offset = forms.IntegerField(
        required=False, min_value=0, widget=UnfoldAdminIntegerFieldWidget, label="How long before or after",
        help_text="For starting: before the start. For ended: after the end. In time that passes, also where clocks are changed.",
    )  # fmt: skip
    offset_unit = forms.TypedChoiceField(
        required=False, choices=clock_form.UNITS, coerce=int, initial=60, widget=UnfoldAdminSelectWidget, label="Unit",
    )  # fmt: skip
    action = forms.ChoiceField(
        choices=action_choices,
        widget=UnfoldAdminSelectWidget,
        help_text="One of the actions of the connection's provider.",
    )
    asks = ConditionsField(
        label="And only if",
        required=False,
        help_text="What has to be true beside. What is not known is neither true nor false, and a rule acts only where everything is true.",
    )
    conditions = truth_field("Conditions as JSON")
    options = truth_field("Options as JSON")

    class Meta:
        model = Rule
        fields = ("name", "enabled", "kinds", "conditions", "connection", "action", "options", "position", "stops", "debounce_seconds", "waits_for", "waits_at_most", "acts_on_backfill", "backfill_max_age_days", "late_policy", "late_rule", "grace_minutes")  # fmt: skip
        labels = {
            "late_policy": "If booked later than that",
            "late_rule": "The other rule",
            "grace_minutes": "Minutes that may pass",
            "position": "Place in the list",
            "stops": "Stop the rules below",
            "debounce_seconds": "Seconds for further changes",
            "waits_for": "After the rule",
            "waits_at_most": "But wait at most",
            "acts_on_backfill": "Act on what a backfill finds",
            "backfill_max_age_days": "Up to an age of",
        }
        help_texts = {
            "conditions": "{} for always. The manual page “Rules” lists the facts and operators.",
            "position": "Rules are asked from the first to the last; 1 is the first. Empty: a new rule goes last.",
            "stops": "Rules further down do not act on an event that this one acts on.",
            "late_policy": "What to do about a meeting that is booked, or moved, when the moment has passed already.",
            "late_rule": (
                "Its connection, action and options are used; whether to act, the conditions of this rule say. It needs no kinds "
                "of its own, and has to be on."
            ),
            "grace_minutes": (
                "After the moment, if nobody looked at the clock (a stopped computer) or the destination was down. What is later "
                "than that is left, and says so. 1440 (a day) at most."
            ),
            "debounce_seconds": (
                "0: an event is sent at once. 60: it waits a minute, and what happens to the same meeting in that minute "
                "becomes one message instead of several. An hour (3600) at most. What a backfill finds does not wait."
            ),
            "waits_for": (
                "Empty: waits for no other rule. Otherwise an event is sent after that rule has ended with it, however it "
                "ended, so that a Slack card, say, can link the Salesforce record."
            ),
            "waits_at_most": (
                "Seconds; then it is sent without. They begin when the seconds for further changes are over."
            ),
            "acts_on_backfill": (
                "Off: a backfill only fills the mirror, and this rule sends nothing for it. On: what no webhook "
                "told of is sent too, as if it had just happened."
            ),
            "backfill_max_age_days": (
                "Days since it happened. Older findings are not sent. Empty: of any age."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: What the rule said before, for its history.
        self.said_before = rule_changes.said(self.instance)
        clock_form.fill(self)
        condition_form.fill(self)
        for name in ("position", "debounce_seconds", "waits_at_most", *clock_form.OPTIONAL):
            if name in self.fields:
                self.fields[name].required = False
        awaited = self.fields.get("waits_for")
        if isinstance(awaited, forms.ModelChoiceField):
            awaited.queryset = Rule.objects.exclude(pk=self.instance.pk)

    def clean_position(self) -> int:
        """Take an empty place for the one that the rule has; a new one has none yet."""
        place = self.cleaned_data["position"]
        return int(self.instance.position if place is None else place)

    def clean_debounce_seconds(self) -> int:
        """Take an empty field for no wait."""
        return self.cleaned_data["debounce_seconds"] or 0

    def clean_waits_at_most(self) -> int:
        """Take an empty field for the usual patience."""
        seconds = self.cleaned_data["waits_at_most"]
        return WAITS_AT_MOST if seconds is None else seconds

    def clean(self) -> dict[str, Any]:
        """Check the action and its options against the connection's provider."""
        cleaned = super().clean()
        if cleaned.get("backfill_max_age_days") is not None and not cleaned.get("acts_on_backfill"):
            told = "An age says nothing while the rule does not act on what a backfill finds."
            self.add_error("backfill_max_age_days", told)
        clock_form.check(self, cleaned)
        condition_form.check(self, cleaned)
        if {"connection", "action"} <= cleaned.keys():
            self._check_action(get_provider(cleaned["connection"].provider), cleaned["action"])
        return cleaned

    def _check_action(self, provider: Provider, action: str) -> None:
        if action in provider.actions:
            return
        known = ", ".join(provider.actions.values()) or "none: nothing is sent there"
        self.errors.pop("action", None)
        self.add_error("action", f"{provider.label} knows other actions: {known}.")


def rule_form(shape: Shape, values: Mapping[str, Any]) -> type[TypedForm]:
    """Return the form with a field for each option of the action that is chosen."""
    return typed_form(RuleForm, shape, values=values)


def chosen(data: Mapping[str, Any], rule: Rule | None) -> tuple[str, str]:
    """Return the provider and the action that a page asks for, else the rule's; empty where nothing is chosen yet."""
    action = data.get("action") or (rule.action if rule else "")
    number = str(data.get("connection") or "")
    if number:
        found = Connection.objects.filter(pk=number).first() if number.isdigit() else None
        return (found.provider if found else ""), action
    return (rule.connection.provider if rule else _provider_of(action)), action


def options_shape(provider_name: str, action: str) -> Shape:
    """Return what the options of an action have to be."""
    provider = get_provider(provider_name)
    if action not in provider.actions:
        return Shape(mark="none")
    return Shape(
        model=provider.options_for(action), mark=f"{provider_name}.{action}",
        choices=provider.choices_for(action), check=partial(provider.check_rule, action),
    )  # fmt: skip


def _provider_of(action: str) -> str:
    """Return the one provider that knows an action, for what begins without a connection."""
    known = [name for name in settings.CONNECTORS if action in get_provider(name).actions]
    return known[0] if len(known) == 1 else ""
