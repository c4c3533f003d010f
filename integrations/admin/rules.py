"""Rules: which kinds of event go where, how, and when; resuming one whose target was gone."""

import json
from collections.abc import Iterable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
)

from bookings.browsing import display
from bookings.models import BookingEvent
from integrations import clock, conditions, rules, tasks
from integrations.admin import clock_form, recipes
from integrations.admin.fields import ReadableJSONField
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.providers import action_choices, check_rule, describe, get_provider
from integrations.admin.words import TONES, duration, short
from integrations.models import Connection, Delivery, Rule
from integrations.models.rule import ANCHORS, WAITS_AT_MOST


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Choose kinds, connection and action, and check that they fit together."""

    kinds = forms.MultipleChoiceField(
        choices=BookingEvent.Kind.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=False,
        help_text="What has to happen. None: it acts only where another rule names it for meetings that are booked late.",
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
    conditions = ReadableJSONField(
        help_text=(
            "What has to be true beside; {} for always. Example: "
            '{"and": [{"fact": "booking.duration", "op": ">=", "value": 30}, '
            '{"not": {"fact": "invitee.is_free_mail", "op": "is", "value": true}}]}. '
            "docs/rules.md lists the facts and operators."
        )
    )
    options = ReadableJSONField()

    class Meta:
        model = Rule
        fields = ("name", "enabled", "kinds", "conditions", "connection", "action", "options", "position", "debounce_seconds", "waits_for", "waits_at_most", "acts_on_backfill", "backfill_max_age_days", "late_policy", "late_rule", "grace_minutes")  # fmt: skip
        labels = {
            "late_policy": "If booked later than that",
            "late_rule": "The other rule",
            "grace_minutes": "Minutes that may pass",
            "debounce_seconds": "Seconds for further changes",
            "waits_for": "After the rule",
            "waits_at_most": "But wait at most",
            "acts_on_backfill": "Act on what a backfill finds",
            "backfill_max_age_days": "Up to an age of",
        }
        help_texts = {
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
        if "options" in self.fields:
            self.fields["options"].help_text = self._known_options()
            typed = self.data.get("options") or json.dumps(self.initial.get("options"), indent=2)
            self.fields["options"].widget.attrs["rows"] = max(6, min(typed.count("\n") + 2, 30))
        clock_form.fill(self)
        for name in ("debounce_seconds", "waits_at_most", *clock_form.OPTIONAL):
            if name in self.fields:
                self.fields[name].required = False
        awaited = self.fields.get("waits_for")
        if isinstance(awaited, forms.ModelChoiceField):
            awaited.queryset = Rule.objects.exclude(pk=self.instance.pk)

    def clean_conditions(self) -> Any:
        """Check the conditions, and say for each thing that is wrong where it stands."""
        given = self.cleaned_data["conditions"]
        if problems := conditions.check(given):
            raise forms.ValidationError([str(problem) for problem in problems])
        return given

    def clean_debounce_seconds(self) -> int:
        """Take an empty field for no wait."""
        return self.cleaned_data["debounce_seconds"] or 0

    def clean_waits_at_most(self) -> int:
        """Take an empty field for the usual patience."""
        seconds = self.cleaned_data["waits_at_most"]
        return WAITS_AT_MOST if seconds is None else seconds

    def _known_options(self) -> str:
        """Describe the options of the action that is chosen in the form, else of the rule's."""
        action = self.data.get("action") or self.initial.get("action") or self.instance.action
        chosen = self.data.get("connection") or self.initial.get("connection")
        found = Connection.objects.filter(pk=str(chosen)).first() if str(chosen).isdigit() else None
        provider = get_provider(found.provider) if found else None
        if provider is None or action not in provider.actions:
            return "They belong to the action, and are described here once the rule is saved."
        return describe(provider.options_for(action))

    def clean(self) -> dict[str, Any]:
        """Check the action and its options against the connection's provider."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("backfill_max_age_days") is not None and not cleaned.get("acts_on_backfill"):
            told = "An age says nothing while the rule does not act on what a backfill finds."
            self.add_error("backfill_max_age_days", told)
        clock_form.check(self, cleaned)
        if not {"connection", "action", "options"} <= cleaned.keys():
            return cleaned
        provider = get_provider(cleaned["connection"].provider)
        if cleaned["action"] not in provider.actions:
            known = ", ".join(provider.actions.values()) or "none: nothing is sent there"
            self.add_error("action", f"{provider.label} knows other actions: {known}.")
            return cleaned
        try:
            check_rule(provider, cleaned["action"], cleaned["options"])
        except forms.ValidationError as error:
            self.add_error("options", error)
        return cleaned


@admin.register(Rule)
class RuleAdmin(OperatedAdmin):
    """The rules in their order."""

    form = RuleForm
    operations = (Operation(name="resume", label="Resume", icon="play_arrow"),)
    actions = ("resume",)
    change_form_outer_before_template = "admin/integrations/rule/above.html"
    list_display = ("name", "badge", "on", "connection", "action", "held", "on_backfill", "position")  # fmt: skip
    list_filter = ("enabled", ("paused_at", admin.EmptyFieldListFilter), "connection", "acts_on_backfill")  # fmt: skip
    list_select_related = ("connection", "waits_for")
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "enabled", "position")}),
        ("When", {"fields": ("kinds", "conditions")}),
        (
            "Before a start or after an end",
            {
                "fields": ("offset", "offset_unit", "late_policy", "late_rule", "grace_minutes"),
                "description": "For the kinds starting and ended alone.",
            },
        ),
        ("Then", {"fields": ("connection", "action", "options")}),
        ("Waiting", {"fields": ("debounce_seconds", "waits_for", "waits_at_most")}),
        ("Backfills", {"fields": ("acts_on_backfill", "backfill_max_age_days")}),
    )

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the empty form below what it can be begun from."""
        starts = {"recipe_starts": recipes.rule_starts()}
        return super().add_view(request, form_url, {**starts, **(extra_context or {})})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in the recipe that was asked for."""
        return recipes.rule_initial(request) or super().get_changeform_initial_data(request)

    @admin.action(description="Resume", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        """Send what waits for rules that were paused, as they say now."""
        resumed = [rule for rule in queryset if self._let_go(rule)]
        if not resumed:
            messages.warning(request, "Nothing to resume: no such rule is paused.")
            return
        self.log(request, resumed, "Resumed.")
        names = ", ".join(rule.name for rule in resumed)
        messages.success(request, f"Resumed: {names}. What waited is sent now, as the rule says.")

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        """Save the rule; one that was paused is taken for mended and goes on."""
        super().save_model(request, obj, form, change)
        if self._let_go(obj):
            messages.success(
                request, "The rule was paused and is resumed: what waited is sent now."
            )

    def offered(self, row: Rule) -> Iterable[Operation]:
        """Offer to resume what is paused."""
        return self.operations if row.paused_at else ()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a rule, with how many deliveries wait for it while it is paused."""
        rule = self.get_object(request, object_id)
        held = Delivery.objects.filter(rule=rule, state=Delivery.State.WAITING)
        context = {
            "waiting": held.count() if rule and rule.paused_at else 0,
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)

    @staticmethod
    def _let_go(rule: Rule) -> bool:
        resumed = rules.resume(rule, now=timezone.now())
        if resumed:  # a form is saved in a transaction: until it ends, nobody would find anything
            transaction.on_commit(partial(tasks.nudge_connection, rule.connection_id))
        return resumed

    @display(description="state", label=TONES)
    def badge(self, rule: Rule) -> tuple[str, str]:
        """Show whether it sends."""
        if rule.paused_at:
            return "paused", "paused"
        return ("active", "active") if rule.enabled else ("ignored", "off")

    @display(description="waits")
    def held(self, rule: Rule) -> str:
        """Show why it is paused, or what it waits for before it sends."""
        if rule.paused_at:
            told = f"paused: {short(rule.paused_reason)}"
            return format_html('<span title="{}">{}</span>', rule.paused_hint, told)
        changes = f"{duration(rule.debounce_seconds)} for changes" if rule.debounce_seconds else ""
        other = f"for “{rule.waits_for}”, {duration(rule.waits_at_most)} at most"
        return ", then ".join(filter(None, (changes, other if rule.waits_for else ""))) or "-"

    @display(description="on")
    def on(self, rule: Rule) -> str:
        """Show the kinds of event it acts on."""
        labels = dict(BookingEvent.Kind.choices)
        happening = [kind for kind in rule.kinds if kind not in ANCHORS]
        told = [*(str(labels.get(kind, kind)) for kind in happening), *clock.in_words(rule)]
        return ", ".join(told) or "nothing, unless another rule names it"

    @display(description="how long before or after")
    def offset(self, rule: Rule) -> str:
        """Say when it acts, to who may only look."""
        return ", ".join(clock.in_words(rule)) or "-"

    @display(description="on a backfill")
    def on_backfill(self, rule: Rule) -> str:
        """Show whether it acts on what only a backfill told of, and up to which age."""
        if not rule.acts_on_backfill:
            return "silent"
        days = rule.backfill_max_age_days
        return "acts, of any age" if days is None else f"acts, up to {days} days"
