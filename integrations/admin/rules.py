"""Rules: which kinds of event go where, how, and when; resuming one whose target was gone, and copying one."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from bookings.browsing import DiscreetAdmin, display
from integrations import clock, conditions, ordering, rules, tasks
from integrations.admin import recipe_pages, recipes, rule_changes, rule_files
from integrations.admin.cards import choose
from integrations.admin.condition_layout import layout_of
from integrations.admin.operations import Operation
from integrations.admin.rule_form import chosen, options_shape, rule_form
from integrations.admin.rule_lately import WINDOW, lately
from integrations.admin.rule_order import DOWN, OFF, ON, UP, ArrangedAdmin
from integrations.admin.rule_starts import copied, rule_choices, rule_initial
from integrations.admin.rule_trying import TriedAdmin
from integrations.admin.rule_words import details, in_a_sentence
from integrations.admin.typed_form import Shape, posted_values, sections
from integrations.admin.words import TONES, short, told_settings
from integrations.models import Delivery, Rule

_RESUME = Operation(
    name="resume", label="Resume", icon="play_arrow", permission="integrations.operate_rule"
)
_EXPERT = "The same options as they are stored. The fields above count, unless you change this JSON: then the JSON counts."

_EXPERT_CONDITIONS = "The same conditions as they are stored. The rows above count, unless you change this JSON: then the JSON counts."
_ONLY_JSON = "These conditions cannot be shown as rows, and are edited here."


@admin.register(Rule)
class RuleAdmin(TriedAdmin, ArrangedAdmin, DiscreetAdmin):
    """The rules in their order."""

    class Media:
        js: ClassVar = ("integrations/rule_clock.js",)
        css: ClassVar = {"all": ("integrations/rule.css",)}

    operations = (_RESUME, ON, OFF, UP, DOWN)
    actions = ("resume", "switch_on", "switch_off")
    object_history_template = "admin/integrations/rule/history.html"
    change_form_outer_before_template = "admin/integrations/rule/above.html"
    list_before_template = "admin/integrations/rule/above_list.html"
    list_display = ("position", "name", "badge", "does", "connection")
    list_display_links = ("name",)
    list_filter = ("enabled", ("paused_at", admin.EmptyFieldListFilter), "connection", "acts_on_backfill")  # fmt: skip
    list_select_related = ("connection", "waits_for", "late_rule")
    search_fields = ("name",)

    def get_urls(self) -> list[URLPattern]:
        """Add the address that the button to copy POSTs to."""
        view = self.admin_site.admin_view(require_POST(self.duplicate))
        route = path("<path:object_id>/duplicate/", view, name="integrations_rule_duplicate")
        return [route, *recipe_pages.urls(self), *rule_files.urls(self), *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        """Put apart when it acts, what it does, and how long it waits; the options of its action have fields of their own."""
        shape, _ = self._shape(request, obj)
        may_change = self.has_change_permission(request, obj) if obj else True
        options = list(sections("options", shape, heading="Options"))
        return [
            (None, {"fields": ("name", "enabled")}),
            ("When", {"fields": ("kinds", "asks" if may_change else "conditions_told")}),
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
            ("Order", {"fields": ("position", "stops")}),
            ("Waiting", {"fields": ("debounce_seconds", "waits_for", "waits_at_most")}),
            ("Backfills", {"fields": ("acts_on_backfill", "backfill_max_age_days")}),
            *((("Conditions as JSON, for experts", _conditions_as_json(obj)),) if may_change else ()),
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
        if request.method == "GET" and "action" not in request.GET:
            return choose(
                request, self, title="Add a rule: what is to be done?", nothing="There is nowhere to send to yet",
                groups=rule_choices(request.GET.get("connection", "")), recipe_starts=recipes.rule_starts(),
            )  # fmt: skip
        return super().add_view(request, form_url, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in what was chosen."""
        asked = dict(super().get_changeform_initial_data(request))
        begun = rule_initial(request.GET.get("connection", ""), request.GET.get("action", ""))
        return {**begun, **asked}

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
        """Save the rule, and put it where it is wanted; one that was paused is taken for mended and goes on."""
        wanted = obj.position if "position" in form.changed_data and obj.position else None
        super().save_model(request, obj, form, change)
        ordering.place(obj, at=wanted)
        if self._let_go(obj):
            messages.success(
                request, "The rule was paused and is resumed: what waited is sent now."
            )

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        """Delete one by one: a rule says how."""
        for rule in queryset:
            rule.delete()

    def offered(self, row: Rule) -> Iterable[Operation]:
        """Offer to resume what is paused, and to switch it."""
        switch = OFF if row.enabled else ON
        return (_RESUME, switch) if row.paused_at else (switch,)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Note what was changed, before and after."""
        if add:
            return super().construct_change_message(request, form, formsets, add)
        return rule_changes.message(form.said_before, rule_changes.said(form.instance))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Show who changed what, with before and after."""
        response: HttpResponse = super().history_view(request, object_id, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data:
            for entry in response.context_data["action_list"]:
                entry.values = rule_changes.values_of(entry)
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a rule, with how many deliveries wait for it while it is paused."""
        rule = self.get_object(request, object_id)
        held = Delivery.objects.filter(rule=rule, state=Delivery.State.WAITING)
        may_add = self.has_add_permission(request)
        context = {
            "sentence": in_a_sentence(rule) if rule else "",
            "details": list(details(rule)) if rule else (),
            "lately": lately(rule, request) if rule else (),
            "window": WINDOW,
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

    @display(description="what it does")
    def does(self, rule: Rule) -> str:
        """Say in a sentence what it does, and below what else is to be known."""
        paused = (
            (f"Paused: {short(rule.paused_reason)}", rule.paused_hint) if rule.paused_at else ()
        )
        more = " ".join(filter(None, (*paused, *details(rule))))
        return format_html('<div>{}<div class="cs-more">{}</div></div>', in_a_sentence(rule), more)

    @display(description="options")
    def options_told(self, rule: Rule) -> str:
        """Show the options to who may not change them."""
        return told_settings(
            options_shape(rule.connection.provider, rule.action).model, rule.options
        )

    @display(description="and only if")
    def conditions_told(self, rule: Rule) -> str:
        """Say the conditions to who may only look."""
        if not rule.conditions:
            return "always"
        return conditions.in_words(rule.conditions) or "They cannot be read, and hold for nothing."

    @display(description="how long before or after")
    def offset(self, rule: Rule) -> str:
        """Say when it acts, to who may only look."""
        return ", ".join(clock.in_words(rule)) or "-"


def _conditions_as_json(rule: Rule | None) -> dict[str, Any]:
    """Return the section of the JSON: folded away, unless it is the only way to edit it."""
    if rule and layout_of(rule.conditions) is None:
        return {"fields": ("conditions",), "description": _ONLY_JSON}
    return {"fields": ("conditions",), "description": _EXPERT_CONDITIONS, "classes": ("collapse",)}
