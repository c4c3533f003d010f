"""The list of rules as staff arrange it: up and down, on and off, each with a button of its row."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from bookings.browsing import display
from integrations import ordering
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.models import Rule

UP = Operation(name="move_up", label="Up", icon="arrow_upward")
DOWN = Operation(name="move_down", label="Down", icon="arrow_downward")
ON = Operation(name="switch_on", label="Switch on", icon="toggle_on")
OFF = Operation(name="switch_off", label="Switch off", icon="toggle_off")


class ArrangedAdmin(OperatedAdmin):
    """Move rules and switch them, in their list."""

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, with the buttons for who may change rules."""
        columns = super().get_list_display(request)
        return (*columns, "arrange") if self.has_operate_permission(request) else columns

    @display(description="arrange")
    def arrange(self, rule: Rule) -> SafeString:
        """Show the buttons of a row; they send the list's own form, which carries the token."""
        buttons = [
            (item, self.operation_url(rule.pk, item.name))
            for item in (UP, DOWN, OFF if rule.enabled else ON)
        ]
        back = reverse("admin:integrations_rule_changelist")
        return render_to_string(
            "admin/integrations/rule/arrange.html", {"rule": rule, "buttons": buttons, "back": back}
        )

    def move_up(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        """Ask it before the rule above."""
        self._move(request, queryset, by=-1)

    def move_down(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        """Ask it after the rule below."""
        self._move(request, queryset, by=1)

    def _move(self, request: HttpRequest, queryset: QuerySet[Rule], *, by: int) -> None:
        for rule in queryset:
            if not ordering.move(rule, by=by):
                messages.warning(request, f"“{rule}” is the {'first' if by < 0 else 'last'} already.")  # fmt: skip
                continue
            self.log(request, [rule], f"Moved to place {rule.position}.")
            messages.success(request, f"“{rule}” is at place {rule.position} now.")

    @admin.action(description="Switch on")
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        """Let rules act on what happens from now on."""
        self._switch(request, queryset, on=True)

    @admin.action(description="Switch off")
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        """Let rules act no more; what they planned already is sent."""
        self._switch(request, queryset, on=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Rule], *, on: bool) -> None:
        word = "on" if on else "off"
        switched = [rule for rule in queryset if ordering.switch(rule, on=on)]
        if not switched:
            messages.warning(request, f"Nothing to do: that is {word} already.")
            return
        self.log(request, switched, f"Switched {word}.")
        names = ", ".join(rule.name for rule in switched)
        more = "" if on else " What was planned already is still sent."
        messages.success(request, f"Switched {word}: {names}.{more}")
