"""How far a connector's connection is set up: entered, tested, allowed, used by a rule, and what comes next."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime
from pydantic import ValidationError

from integrations import accounts
from integrations.admin.connection_steps import Step
from integrations.admin.typed_fields import label_of
from integrations.connectors.base import Requirement, connector_class
from integrations.errors import ConfigurationError
from integrations.granting import Profile
from integrations.models import Connection
from integrations.options import Options

#: Rules that the page names.
_NAMED = 3


def connector_steps(
    connection: Connection,
    *,
    waits: str,
    profile: Profile | None,
    requirements: Sequence[Requirement],
    may_add_rules: bool,
) -> Iterator[Step]:
    """Yield the steps in their order; `waits` says what to do before anybody has granted access."""
    lacking = waits or _lacking(connection)
    yield _entered(lacking, waits=waits)
    tested = _tested(connection, is_entered=not lacking)
    yield tested
    yield from _allowed(profile, requirements)
    yield _used(connection, is_tested=tested.state == "done", may_add=may_add_rules)


def _lacking(connection: Connection) -> str:
    """Return in a sentence what has to be entered before anything can be tested."""
    model = connector_class(connection.provider).settings_model
    if wrong := _wrong_settings(model, connection.settings):
        return f"Fill in below, and save: {', '.join(wrong)}."
    try:
        lacks = accounts.offline(connection).lacks
    except ConfigurationError:
        return "The stored secrets cannot be read any more: enter them again below, and save."
    return f"Enter below, and save: {', '.join(lacks)}." if lacks else ""


def _wrong_settings(model: type[Options], values: Mapping[str, Any]) -> list[str]:
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        names = dict.fromkeys(str(one["loc"][0]) for one in error.errors() if one["loc"])
        return [label_of(name, model.model_fields.get(name)) for name in names] or ["the settings"]
    return []


def _entered(lacking: str, *, waits: str) -> Step:
    title = "Connected" if waits else "Entered"
    if lacking:
        return Step(title=title, state="next", words=lacking, operation="connect" if waits else "")
    return Step(title=title, state="done", words="Settings and secrets are stored.")


def _tested(connection: Connection, *, is_entered: bool) -> Step:
    title, check = "Tested", connection.last_check
    if connection.state == Connection.State.PAUSED:
        words = " ".join(filter(None, (connection.state_reason, connection.state_hint)))
        return Step(title=title, state="trouble", words=f"Paused. {words}", operation="resume")
    if not is_entered:
        return Step(
            title=title,
            state="later",
            words="After that: who we are there, and whether it answers.",
        )
    if check and not check["ok"]:
        return Step(title=title, state="trouble", words=check["said"], operation="test")
    if check:
        return Step(title=title, state="done", words=check["said"], at=parse_datetime(check["at"]))
    if connection.last_success_at:
        return Step(
            title=title,
            state="done",
            words="It has taken what was sent.",
            at=connection.last_success_at,
        )
    words = "Ask it something harmless: that tells whether what was entered works."
    return Step(title=title, state="next", words=words, operation="test")


def _allowed(profile: Profile | None, requirements: Sequence[Requirement]) -> Iterator[Step]:
    missing = list(profile.missing) if profile else []
    missing += [one.name for one in requirements if not one.ok and one.name not in missing]
    if missing:
        words = f"Missing: {', '.join(missing)}. See below what to do."
        yield Step(title="Allowed", state="trouble", words=words, operation="test")
    elif requirements or (profile and profile.granted is not None):
        yield Step(
            title="Allowed", state="done", words="It has every right and field that is needed."
        )


def _used(connection: Connection, *, is_tested: bool, may_add: bool) -> Step:
    title = "First rule"
    names = list(connection.rules.values_list("name", flat=True)[: _NAMED + 1])
    if names:
        more = " and more" if len(names) > _NAMED else ""
        words = f"In use: {', '.join(names[:_NAMED])}{more}."
        return Step(title=title, state="done", words=words)
    page = f"{reverse('admin:integrations_rule_add')}?connection={connection.pk}"
    return Step(
        title=title, state="next" if is_tested else "later",
        words="Nothing is sent before a rule says what, and when.",
        url=page if may_add else "", link="Add a rule",
    )  # fmt: skip
