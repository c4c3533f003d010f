"""Why a rule of a file cannot work: the same questions that the form asks, each answer with its place in the file."""

from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ValidationError
from pydantic import ValidationError as OptionsError

from integrations import conditions
from integrations.connectors.base import Connector, connector_class
from integrations.models import EmailTemplate, Rule
from integrations.models.rule import NO_GRACE
from integrations.options import told
from integrations.recipes.entry import Said
from integrations.recipes.reading import Path

Wrong = tuple[Path, str]

#: Columns that have limits of their own.
_LIMITED = (
    "name",
    "offset_minutes",
    "grace_minutes",
    "debounce_seconds",
    "waits_at_most",
    "backfill_max_age_days",
)


def problems(rule: Rule, entry: Said) -> Iterator[Wrong]:
    """Yield why a rule that is not saved yet cannot work, at the connection that it has."""
    yield from _of_limits(rule)
    for problem in conditions.check(rule.conditions):
        yield ("conditions", *problem.path), str(problem)
    yield from _of_clock(rule, entry)
    if rule.backfill_max_age_days is not None and not rule.acts_on_backfill:
        yield (
            ("backfill_max_age_days",),
            "An age says nothing while the rule does not act on what a backfill finds.",
        )
    provider = rule.connection.provider
    if provider not in settings.CONNECTORS:
        yield ("connection",), f"Nothing is sent to “{rule.connection}”: choose another connection."
        return
    yield from _of_action(rule, connector_class(provider))


def _of_limits(rule: Rule) -> Iterator[Wrong]:
    columns = [field.name for field in Rule._meta.concrete_fields]  # noqa: SLF001  # Django's documented name
    try:
        rule.clean_fields(exclude=[name for name in columns if name not in _LIMITED])
    except ValidationError as error:
        for name, words in error.message_dict.items():
            yield (name,), " ".join(words)


def _of_clock(rule: Rule, entry: Said) -> Iterator[Wrong]:
    if rule.offset_minutes and not rule.clock_kinds:
        yield ("offset_minutes",), "It says nothing without the kind starting or ended."
    if "starting" in rule.clock_kinds and not rule.offset_minutes:
        yield ("kinds",), "Say in offset_minutes how long before the start."
    if rule.clock_kinds and not rule.grace_minutes:
        yield ("grace_minutes",), NO_GRACE
    asks = rule.late_policy == Rule.LatePolicy.OTHER and bool(rule.clock_kinds)
    if asks and not entry.late_rule:
        yield ("late_policy",), "Say in late_rule which rule acts instead."
    if entry.late_rule and not asks:
        yield (
            ("late_rule",),
            "It is used for starting or ended alone, and only with late_policy: other.",
        )


def _of_action(rule: Rule, connector: type[Connector]) -> Iterator[Wrong]:
    if rule.action not in connector.actions:
        known = ", ".join(connector.actions)
        yield ("action",), f"{connector.label} knows other actions: {known}."
        return
    try:
        connector.options_for(rule.action).model_validate(rule.options)
    except OptionsError as error:
        for problem in error.errors():
            place = ".".join(map(str, problem["loc"]))
            yield (
                ("options", *problem["loc"]),
                f"{place}: {told(problem)}" if place else told(problem),
            )
        return
    templates = EmailTemplate.stored() if connector.uses_templates else {}
    for words in connector.check_rule(rule.action, rule.options, templates=templates):
        yield ("options",), words
