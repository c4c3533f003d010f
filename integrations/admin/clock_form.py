"""The part of a rule's form that says when it acts before a start or after an end."""

from typing import Any, cast

from django import forms

from integrations.models import Rule
from integrations.models.rule import ANCHORS, LONGEST_OFFSET

#: Minutes in a unit, and its name.
UNITS = ((1, "minutes"), (60, "hours"), (1440, "days"))
#: Fields that may be left out, and then stay as they are.
OPTIONAL = ("late_policy", "grace_minutes")


def fill(form: forms.ModelForm) -> None:  # type: ignore[type-arg]  # not generic at run time
    """Show the rule's offset as a number in the largest unit that holds it, and offer the other rules for late meetings."""
    rule = cast("Rule", form.instance)
    other = form.fields.get("late_rule")
    if isinstance(other, forms.ModelChoiceField):
        other.queryset = Rule.objects.exclude(pk=rule.pk)
    minutes = rule.offset_minutes
    if rule.clock_kinds:
        unit = max(unit for unit, _ in UNITS if minutes % unit == 0)
        form.initial.update({"offset": minutes // unit, "offset_unit": unit})


def check(form: forms.ModelForm, cleaned: dict[str, Any]) -> None:  # type: ignore[type-arg]  # as above
    """Check that kinds, offset and the other rule fit together, and give the rule its offset."""
    rule = cast("Rule", form.instance)
    _keep_what_was_left_out(rule, cleaned)
    kinds, number = cleaned.get("kinds") or (), cleaned.get("offset")
    wanted = [kind for kind in ANCHORS if kind in kinds]
    minutes = (number or 0) * (cleaned.get("offset_unit") or 60)
    if number and not wanted:
        form.add_error("offset", "It says nothing without the kind starting or ended: choose one, or leave it empty.")  # fmt: skip
    if "starting" in wanted and not minutes:
        form.add_error("offset", "Say how long before the start: 24 hours, say.")
    if minutes > LONGEST_OFFSET:
        form.add_error("offset", "30 days at most.")
    _check_late_rule(form, cleaned, wanted=bool(wanted))
    rule.offset_minutes = minutes if wanted else 0


def _keep_what_was_left_out(rule: Rule, cleaned: dict[str, Any]) -> None:
    if cleaned.get("grace_minutes") is None:
        cleaned["grace_minutes"] = rule.grace_minutes
    cleaned["late_policy"] = cleaned.get("late_policy") or rule.late_policy


def _check_late_rule(
    form: forms.ModelForm,  # type: ignore[type-arg]  # as above
    cleaned: dict[str, Any],
    *,
    wanted: bool,
) -> None:
    asks, other = cleaned["late_policy"] == Rule.LatePolicy.OTHER, cleaned.get("late_rule")
    if asks and wanted and other is None and "late_rule" not in form.errors:
        form.add_error("late_rule", "Choose the rule that acts instead.")
    if other is not None and not (asks and wanted):
        form.add_error(
            "late_rule",
            "It is used for starting or ended alone, and only with “act by another rule instead”: choose that, or leave it empty.",
        )
