"""The page before a form: cards to choose from, each of which leads to a form that is begun."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from bookings.browsing import ModelAdmin


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Lead to a form: what it is for, and what one needs to fill it in."""

    label: str
    url: str
    about: str = ""
    needs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Hold cards that belong together."""

    title: str
    cards: Sequence[Card]
    about: str = ""


def choose(
    request: HttpRequest, admin: ModelAdmin, *, title: str, groups: Sequence[Group], **more: Any
) -> HttpResponse:
    """Show the cards to who may add what they lead to."""
    if not admin.has_add_permission(request):
        raise PermissionDenied
    context = {
        **admin.admin_site.each_context(request), "opts": admin.opts, "title": title, "groups": groups, **more,
    }  # fmt: skip
    return TemplateResponse(request, "admin/integrations/choose.html", context)
