"""Fields that show people only to who may see them: otherwise initials, a masked address, "(hidden)", or null."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bookings.discretion import Discretion

_STRING_OR_NULL = {"type": ["string", "null"]}


class DiscreetField(serializers.CharField):
    """Show a text as the user may see it; `show` chooses how."""

    show: ClassVar[Callable[[Discretion, str], str | None]] = Discretion.text

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: Any) -> Any:
        """Return the text, or what stands in its place."""
        return type(self).show(self.context["discretion"], value)


class NameField(DiscreetField):
    """Show a name, or initials."""

    show = Discretion.name


class EmailField(DiscreetField):
    """Show an e-mail address, or one that nobody can write to."""

    show = Discretion.email


def _link(discretion: Discretion, url: str) -> str | None:
    return url if discretion.is_clear and url else None


@extend_schema_field(_STRING_OR_NULL)
class PrivateLinkField(DiscreetField):
    """Show an address that may name a person or lets in whoever has it; null to who may not see people."""

    show = _link


class LinkField(serializers.CharField):
    """Show an address, or null where there is none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **options)

    def to_representation(self, value: Any) -> Any:
        """Return the address, or null."""
        return value or None


@extend_schema_field({"type": "string", "format": "uri"})
class AdminUrlField(serializers.Field[Any, Any, Any, Any]):
    """Link to a row's page in the admin."""

    def __init__(self, **options: Any) -> None:
        super().__init__(source="*", read_only=True, help_text="Its page in the admin.", **options)

    def to_representation(self, value: Any) -> str:
        """Return the address of the page."""
        options = value._meta  # noqa: SLF001  # Django's documented name
        page = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[value.pk])
        return str(self.context["request"].build_absolute_uri(page))
