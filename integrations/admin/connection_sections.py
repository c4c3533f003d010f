"""How the page of a connection is laid out: its name, what is set, its secrets, how it is, and what experts need."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings

from integrations import grants
from integrations.admin.connect import connecting_help
from integrations.admin.connection_form import secret_form_fields, settings_shape
from integrations.admin.typed_form import sections
from integrations.models import Connection

_RAW = (
    "The same settings as they are stored. The fields above count, unless you change this JSON: then the JSON counts."
)  # fmt: skip

Section = tuple[str | None, dict[str, Any]]


def connection_sections(
    connection: Connection, *, health: Sequence[str], may_change: bool
) -> list[Section]:
    """Return the page's sections; who may only look sees the settings in words, and no field of a secret."""
    awaits_secrets = connection.provider in settings.SOURCES and not grants.has_token(connection)
    named, secrets = [_section(None, ["name"])], list(_secrets(connection)) if may_change else []
    return [
        *([*secrets, *named] if awaits_secrets else named),
        *(_settings(connection) if may_change else [_section("Settings", ["settings_told"])]),
        *([] if awaits_secrets else secrets),
        *([_section("Health", list(health))] if health else []),
        _experts(may_change=may_change),
    ]


def _settings(connection: Connection) -> Iterator[Section]:
    for title, names in sections("settings", settings_shape(connection), heading="Settings"):
        yield _section(title, names)


def _secrets(connection: Connection) -> Iterator[Section]:
    if names := list(secret_form_fields(connection)):
        yield _section("Secrets", names, about=connecting_help(connection))


def _experts(*, may_change: bool) -> Section:
    names, about = (["settings", "parallelism"], _RAW) if may_change else (["parallelism"], "")
    return _section("For experts", names, about=about, classes=("collapse",))


def _section(
    title: str | None, names: list[str], *, about: str = "", classes: tuple[str, ...] = ()
) -> Section:
    return title, {"fields": names, "description": about, "classes": classes}
