"""What the installed sources and connectors say about themselves: settings, secrets, actions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_args, get_origin

from django.conf import settings
from django.forms import ValidationError
from django.utils.html import escape
from pydantic import ValidationError as OptionsError
from pydantic_core import PydanticUndefined

from integrations.admin.typed_fields import Choices
from integrations.connectors.base import Connector, connector_class
from integrations.models import EmailTemplate
from integrations.options import Options, told
from integrations.sources.base import get_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Describe a provider for its forms; a model is None where anything goes."""

    name: str
    label: str
    purpose: str = ""
    needs: Sequence[str] = ()
    guide: str = ""
    scope_purposes: Mapping[str, str] = field(default_factory=dict)
    secret_fields: Mapping[str, str] = field(default_factory=dict)
    long_secrets: frozenset[str] = frozenset()
    secret_hosts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    check_secret: Callable[[str, str], str] = lambda _name, _value: ""
    actions: Mapping[str, str] = field(default_factory=dict)
    settings_model: type[Options] | None = None
    options_for: Callable[[str], type[Options] | None] = lambda _action: None
    check_rule: Callable[[str, Mapping[str, Any]], Sequence[str]] = lambda _action, _options: ()
    choices_for: Callable[[str], Choices] = lambda _action: {}


def get_provider(name: str) -> Provider:
    """Return what is known about a provider; one that is not installed has nothing to set."""
    if name in settings.CONNECTORS:
        found = connector_class(name)
        return Provider(
            name=name,
            label=found.label,
            purpose=found.purpose,
            needs=found.needs,
            guide=found.guide,
            scope_purposes=found.scope_purposes,
            secret_fields=found.secret_fields,
            long_secrets=found.long_secrets,
            secret_hosts=found.secret_hosts,
            check_secret=found.check_secret,
            actions=found.actions,
            settings_model=found.settings_model,
            options_for=found.options_for,
            check_rule=partial(_check_rule, found),
            choices_for=partial(_choices_for, found),
        )
    if name in settings.SOURCES:
        source = get_source(name)
        return Provider(
            name=name,
            label=source.label,
            purpose=source.purpose,
            needs=source.needs,
            guide=source.guide,
            scope_purposes=source.scope_purposes,
            secret_fields=source.secret_fields,
            settings_model=source.settings_model,
        )
    return Provider(name=name, label=name)


def provider_choices() -> list[tuple[str, str]]:
    """Return every installed source and connector as a form's choices."""
    names = [*settings.SOURCES, *settings.CONNECTORS]
    return [(name, get_provider(name).label) for name in names]


def action_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the actions that rules can choose, grouped by connector."""
    providers = [get_provider(name) for name in settings.CONNECTORS]
    return [(provider.label, list(provider.actions.items())) for provider in providers]


def check_options(model: type[Options] | None, values: object) -> None:
    """Check settings or options against their model.

    Raises:
        ValidationError: one readable sentence for each thing that is wrong.
    """
    if not isinstance(values, dict):
        raise ValidationError('Write a JSON object, such as {"name": "value"}.')
    try:
        if model:
            model.model_validate(values)
    except OptionsError as error:
        raise ValidationError(list(_sentences(error))) from error


def describe(model: type[Options] | None) -> str:
    """Say which names a model knows, what each means, and what it is when left out; as HTML, as forms show a help text."""
    if model is None:
        return ""
    lines = [_describe_field(name, info) for name, info in model.model_fields.items()]
    return escape("Known names: " + " ".join(lines)) if lines else "There is nothing to set here."


def _check_rule(found: type[Connector], action: str, options: Mapping[str, Any]) -> Sequence[str]:
    templates = EmailTemplate.stored() if found.uses_templates else {}
    return found.check_rule(action, options, templates=templates)


def _choices_for(found: type[Connector], action: str) -> Choices:
    templates = EmailTemplate.stored() if found.uses_templates else {}
    return found.option_choices(action, templates=templates)


def _describe_field(name: str, info: object) -> str:
    default = getattr(info, "default", None)
    required = default is PydanticUndefined and getattr(info, "default_factory", None) is None
    about = (getattr(info, "description", None) or "").rstrip(".")
    said = ", ".join(map(str, default)) if isinstance(default, list) else default
    usual = "" if required or said in (None, "", PydanticUndefined) else f"usually {said}"
    annotation = getattr(info, "annotation", None)
    choices = get_args(annotation) if get_origin(annotation) is Literal else ()
    one_of = f"one of {', '.join(map(str, choices))}" if choices else ""
    told = (about, one_of, "required" if required else usual)
    words = "; ".join(part for part in told if part)
    return f"{name} ({words})." if words else f"{name}."


def _sentences(error: OptionsError) -> Iterator[str]:
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"]))
        # What is wrong with several values together names its places itself.
        yield f"{name}: {told(problem)}" if name else told(problem)
