"""The part of a rule's form that says when it acts before a start or after an end."""

from typing import Any, cast

from django import forms

from integrations.models import Rule
from integrations.models.rule import ANCHORS, LONGEST_OFFSET, NO_GRACE

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
    """Check that kinds, offset and the other rule fit together, and give the rule its offset.

    What stands in fields that are not used, and that the page hides, counts for nothing.
    """
    rule = cast("Rule", form.instance)
    _keep_what_was_left_out(rule, cleaned)
    wanted = [kind for kind in ANCHORS if kind in (cleaned.get("kinds") or ())]
    if not wanted:
        _ignore(form, "offset", "late_rule", "grace_minutes")
        cleaned["late_rule"], cleaned["grace_minutes"] = None, rule.grace_minutes
        rule.offset_minutes = 0
        return
    rule.offset_minutes = _minutes(form, cleaned, wanted)
    if not cleaned["grace_minutes"] and "grace_minutes" not in form.errors:
        form.add_error("grace_minutes", NO_GRACE)
    _check_late_rule(form, cleaned)


def _minutes(form: forms.ModelForm, cleaned: dict[str, Any], wanted: list[str]) -> int:  # type: ignore[type-arg]  # as above
    minutes = int((cleaned.get("offset") or 0) * (cleaned.get("offset_unit") or 60))
    if "starting" in wanted and not minutes and "offset" not in form.errors:
        form.add_error("offset", "Say how long before the start: 24 hours, say.")
    if minutes > LONGEST_OFFSET:
        form.add_error("offset", "30 days at most.")
        return 0
    return minutes


def _ignore(form: forms.ModelForm, *names: str) -> None:  # type: ignore[type-arg]  # as above
    for name in names:
        form.errors.pop(name, None)


def _keep_what_was_left_out(rule: Rule, cleaned: dict[str, Any]) -> None:
    if cleaned.get("grace_minutes") is None:
        cleaned["grace_minutes"] = rule.grace_minutes
    cleaned["late_policy"] = cleaned.get("late_policy") or rule.late_policy


def _check_late_rule(form: forms.ModelForm, cleaned: dict[str, Any]) -> None:  # type: ignore[type-arg]  # as above
    if cleaned["late_policy"] != Rule.LatePolicy.OTHER:
        _ignore(form, "late_rule")
        cleaned["late_rule"] = None
    elif cleaned.get("late_rule") is None and "late_rule" not in form.errors:
        form.add_error("late_rule", "Choose the rule that acts instead.")
