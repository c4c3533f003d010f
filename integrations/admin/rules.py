"""Rules: which kinds of event go where, how, and when; resuming one whose target was gone, and copying one."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from bookings.browsing import display
from integrations import clock, rules, tasks
from integrations.admin import recipes
from integrations.admin.cards import choose
from integrations.admin.operations import Operation
from integrations.admin.rule_form import chosen, options_shape, rule_form
from integrations.admin.rule_starts import copied, rule_choices, rule_initial
from integrations.admin.rule_trying import TriedAdmin
from integrations.admin.rule_words import in_a_sentence
from integrations.admin.typed_form import Shape, posted_values, sections
from integrations.admin.words import TONES, duration, short, told_settings
from integrations.models import Delivery, Rule

_EXPERT = "The same options as they are stored. The fields above count, unless you change this JSON: then the JSON counts."


@admin.register(Rule)
class RuleAdmin(TriedAdmin):
    """The rules in their order."""

    operations = (
        Operation(
            name="resume", label="Resume", icon="play_arrow", permission="integrations.operate_rule"
        ),
    )
    actions = ("resume",)
    change_form_outer_before_template = "admin/integrations/rule/above.html"
    list_display = ("name", "badge", "does", "connection", "held", "on_backfill", "position")
    list_filter = ("enabled", ("paused_at", admin.EmptyFieldListFilter), "connection", "acts_on_backfill")  # fmt: skip
    list_select_related = ("connection", "waits_for")
    search_fields = ("name",)

    def get_urls(self) -> list[URLPattern]:
        """Add the address that the button to copy POSTs to."""
        view = self.admin_site.admin_view(require_POST(self.duplicate))
        route = path("<path:object_id>/duplicate/", view, name="integrations_rule_duplicate")
        return [route, *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        """Put apart when it acts, what it does, and how long it waits; the options of its action have fields of their own."""
        shape, _ = self._shape(request, obj)
        may_change = self.has_change_permission(request, obj) if obj else True
        options = list(sections("options", shape, heading="Options"))
        return [
            (None, {"fields": ("name", "enabled", "position")}),
            ("When", {"fields": ("kinds", "conditions")}),
            (
                "Before a start or after an end",
                {
                    "fields": ("offset", "offset_unit", "late_policy", "late_rule", "grace_minutes"),
                    "description": "For the kinds starting and ended alone.",
                },
            ),
            ("Then", {"fields": ("connection", "action")}),
            *((title, {"fields": names}) for title, names in options if may_change),
            *((("Options", {"fields": ("options_told",)}),) if not may_change else ()),
            ("Waiting", {"fields": ("debounce_seconds", "waits_for", "waits_at_most")}),
            ("Backfills", {"fields": ("acts_on_backfill", "backfill_max_age_days")}),
            *((("Options as JSON, for experts", {"fields": ("options",), "description": _EXPERT, "classes": ("collapse",)}),) if may_change else ()),
        ]  # fmt: skip

    def get_form(
        self, request: HttpRequest, obj: Rule | None = None, change: bool = False, **kwargs: Any
    ) -> type[Any]:
        """Return the form with the options of the action that is chosen."""
        kwargs["form"] = rule_form(*self._shape(request, obj))
        form: type[Any] = super().get_form(request, obj, change, **kwargs)
        return form

    def _shape(self, request: HttpRequest, rule: Rule | None) -> tuple[Shape, Mapping[str, Any]]:
        """Return what the options have to be, and what they are, by the page that was asked for or sent."""
        is_sent = request.method == "POST"
        initial = {} if is_sent or rule else self.get_changeform_initial_data(request)
        shape = options_shape(*chosen(request.POST.dict() if is_sent else initial, rule))
        begun = initial.get("options")
        stored = rule.options if rule else begun if isinstance(begun, dict) else {}
        if is_sent:
            stored = posted_values(request.POST, "options", stored=stored)
        return shape, stored

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask first what is to be done where: what else there is to say depends on it."""
        if request.method == "GET" and not {"action", "recipe"} & request.GET.keys():
            return choose(
                request, self, title="Add a rule: what is to be done?", nothing="There is nowhere to send to yet",
                groups=rule_choices(request.GET.get("connection", "")), recipe_starts=recipes.rule_starts(),
            )  # fmt: skip
        return super().add_view(request, form_url, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in the recipe that was asked for."""
        asked = dict(super().get_changeform_initial_data(request))
        begun = rule_initial(request.GET.get("connection", ""), request.GET.get("action", ""))
        return recipes.rule_initial(request) or {**begun, **asked}

    def duplicate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a copy that is switched off, and go on to it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        rule = self.get_object(request, object_id)
        if rule is None:
            raise Http404
        made = copied(rule)
        self.log(request, [made], f"Copied from “{rule}”.")
        messages.success(request, f"This is a copy of “{rule}”. It is off until you switch it on.")
        return HttpResponseRedirect(reverse("admin:integrations_rule_change", args=[made.pk]))

    @admin.action(description="Resume")
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
        may_add = self.has_add_permission(request)
        context = {
            "sentence": in_a_sentence(rule) if rule else "",
            "duplicate_url": reverse("admin:integrations_rule_duplicate", args=[rule.pk])
            if rule and may_add
            else "",
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

    @display(description="what it does")
    def does(self, rule: Rule) -> str:
        """Say in a sentence what it does."""
        return in_a_sentence(rule)

    @display(description="options")
    def options_told(self, rule: Rule) -> str:
        """Show the options to who may not change them."""
        return told_settings(
            options_shape(rule.connection.provider, rule.action).model, rule.options
        )

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
