"""What the installed sources and connectors say about themselves: settings, secrets, actions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.forms import ValidationError
from pydantic import ValidationError as OptionsError
from pydantic_core import PydanticUndefined

from integrations.connectors.base import Options, connector_class
from integrations.sources.base import get_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Describe a provider for its forms; a model is None where anything goes."""

    name: str
    label: str
    secret_fields: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, str] = field(default_factory=dict)
    settings_model: type[Options] | None = None
    options_model: type[Options] | None = None


def get_provider(name: str) -> Provider:
    """Return what is known about a provider; one that is not installed has nothing to set."""
    if name in settings.CONNECTORS:
        found = connector_class(name)
        return Provider(
            name=name,
            label=found.label,
            secret_fields=found.secret_fields,
            actions=found.actions,
            settings_model=found.settings_model,
            options_model=found.options_model,
        )
    if name in settings.SOURCES:
        source = get_source(name)
        return Provider(name=name, label=source.label, secret_fields=source.secret_fields)
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
    """Say which names a model knows, what each means, and what it is when left out."""
    if model is None:
        return ""
    lines = [_describe_field(name, info) for name, info in model.model_fields.items()]
    return "Known names: " + " ".join(lines) if lines else "There is nothing to set here."


def _describe_field(name: str, info: object) -> str:
    default = getattr(info, "default", None)
    required = default is PydanticUndefined and getattr(info, "default_factory", None) is None
    about = (getattr(info, "description", None) or "").rstrip(".")
    usual = "" if required or default in {None, "", PydanticUndefined} else f"usually {default}"
    words = "; ".join(part for part in (about, "required" if required else usual) if part)
    return f"{name} ({words})." if words else f"{name}."


def _sentences(error: OptionsError) -> Iterator[str]:
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"])) or "The object"
        match problem["type"]:
            case "extra_forbidden":
                yield f"{name}: there is no such name."
            case "missing":
                yield f"{name}: is required."
            case _:
                yield f"{name}: {problem['msg'].removeprefix('Value error, ')}."
