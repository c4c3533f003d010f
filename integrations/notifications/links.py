"""Addresses of our own pages, as people outside reach them."""

from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Model
from django.urls import reverse


def home() -> str:
    """Return the address of the first page."""
    return _public(reverse("admin:index"))


def page(model: type[Model], pk: int) -> str:
    """Return the address of a row's page."""
    return _public(reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_change", args=[pk]))  # noqa: SLF001  # Django's documented API


def listed(model: type[Model], **query: object) -> str:
    """Return the address of a list, narrowed by the query."""
    found = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")  # noqa: SLF001  # as above
    return _public(f"{found}?{urlencode(query)}" if query else found)


def _public(path: str) -> str:
    return f"{settings.CALSYNC_PUBLIC_URL.rstrip('/')}{path}"
