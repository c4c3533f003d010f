"""Addresses of our own pages, as people outside reach them."""

from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Model
from django.urls import reverse

from integrations.causes import digest_of


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


def caused(*, connection_id: int, failure_class: str, cause: str) -> str:
    """Return the address of the failures of one cause, in the error inbox."""
    return _public(cause_path(connection_id=connection_id, failure_class=failure_class, cause=cause))  # fmt: skip


def cause_path(*, connection_id: int, failure_class: str, cause: str) -> str:
    """Return the same within our own pages; the cause, which may name somebody, stands there as its digest."""
    query = {"seen": "no", "connection": connection_id, "failure_class": failure_class, "cause": digest_of(cause)}  # fmt: skip
    return f"{reverse('admin:integrations_delivery_cause')}?{urlencode(query)}"


def _public(path: str) -> str:
    return f"{settings.CALSYNC_PUBLIC_URL.rstrip('/')}{path}"
