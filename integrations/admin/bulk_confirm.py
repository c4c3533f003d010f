"""The page that says what is about to be done to how many rows, and does it once somebody has confirmed."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from bookings.browsing import ModelAdmin
from bookings.discretion import Discretion
from integrations import bulk, tasks
from integrations.admin.choosing import (
    UNTOLD,
    DeliveryForm,
    WebhookForm,
    in_words,
    problems,
    translated,
)
from integrations.admin.operations import note
from integrations.admin.words import many
from integrations.models import BulkOperation
from integrations.models.delivery import LONGEST_REASON


def confirm_url(route: str, kind: str, query: str, *, back: str = "") -> str:
    """Return the address of the page that asks before something is done to many rows."""
    after = urlencode({"next": back}) if back else ""
    return f"{reverse(f'admin:{route}', args=[kind])}?{'&'.join(filter(None, [query, after]))}"


class WholeFilterAdmin(ModelAdmin):
    """Offer above a list what can be done to all that its filter finds, and lead there from an action on all of it.

    `bulk_kinds` are what can be done, each with its icon; `bulk_names` how the list's address is said to the form.
    """

    list_before_template: str | None = "admin/integrations/all_of_filter.html"
    bulk_route = ""
    bulk_kinds: tuple[tuple[str, str], ...] = ()
    bulk_names: Mapping[str, str] = {}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list with what can be done to all of it."""
        context = {"whole_filter": list(self._whole_filter(request)), **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def whole_list(self, request: HttpRequest, kind: str) -> HttpResponseRedirect | None:
        """Lead to the page that asks, where all of a list was chosen rather than rows of a page."""
        if request.POST.get("select_across") != "1":
            return None
        query = translated(request.GET, self.bulk_names)
        if query is None:
            messages.error(request, "Nothing was done: what a search finds cannot be chosen as a whole. Choose rows, or use the filters.")  # fmt: skip
            return HttpResponseRedirect(request.get_full_path())
        return HttpResponseRedirect(
            confirm_url(self.bulk_route, kind, query, back=request.get_full_path())
        )

    def _whole_filter(self, request: HttpRequest) -> Iterator[Mapping[str, str]]:
        query = translated(request.GET, self.bulk_names)
        for name, icon in self.bulk_kinds if query is not None else ():
            kind = bulk.KINDS[name]
            if request.user.has_perm(kind.permission):
                url = confirm_url(self.bulk_route, name, query or "", back=request.get_full_path())
                yield {"label": f"{kind.title} all of this filter", "icon": icon, "url": url}


def confirm(
    request: HttpRequest, kind: bulk.Kind, *, form: DeliveryForm | WebhookForm, site: AdminSite, fallback: str
) -> HttpResponse:  # fmt: skip
    """Ask, or do what was confirmed; `form` holds which rows, `fallback` is where to go where nobody said."""
    if not request.user.has_perm(kind.permission):
        raise PermissionDenied
    back = _back(request, fallback)
    try:
        choice = _choice(form)
    except ValueError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(back)
    reason = request.POST.get("reason", "").strip()
    lacks_reason = kind.needs_reason and not 0 < len(reason) <= LONGEST_REASON
    if request.method == "POST" and not lacks_reason:
        return _do(request, kind, choice, reason=reason, back=back)
    return TemplateResponse(request, "admin/integrations/bulkoperation/confirm.html", {
        **site.each_context(request), **_asked(kind, choice, request=request), "kind": kind, "back_url": back,
        "reason": reason, "longest_reason": LONGEST_REASON,
        "lacks_reason": request.method == "POST" and lacks_reason,
    })  # fmt: skip


def _choice(form: DeliveryForm | WebhookForm) -> bulk.DeliveryChoice | bulk.WebhookChoice:
    if not form.is_valid():
        raise ValueError(f"Nothing was done. {problems(form)}")
    return form.choice()


def _asked(kind: bulk.Kind, choice: Any, *, request: HttpRequest) -> Mapping[str, Any]:
    number = bulk.count(kind, bulk.written(choice), now=timezone.now())
    what = many(number, kind.thing, cap=BulkOperation.MOST_COUNTED)
    return {
        "title": f"{kind.title}: {what}", "number": number, "what": what, "is_long": number > bulk.AT_ONCE,
        "at_once": bulk.AT_ONCE, "facts": list(in_words(choice, discretion=Discretion.of(request.user))),
    }  # fmt: skip


def _do(
    request: HttpRequest, kind: bulk.Kind, choice: Any, *, reason: str, back: str
) -> HttpResponse:
    options = {"reason": reason} if reason else {}
    started = bulk.start(
        kind, bulk.written(choice), label=_label(kind, choice), by=request.user.get_username(), now=timezone.now(),
        options=options,
    )  # fmt: skip
    if started.operation is None:
        return _say_done(request, kind, started, back=back)
    note(request, [started.operation], "Started.")
    tasks.nudge_bulk()
    messages.success(
        request, "It was started. A worker carries it out; this page shows how far it is."
    )
    page = reverse("admin:integrations_bulkoperation_change", args=[started.operation.pk])
    return HttpResponseRedirect(page)


def _say_done(
    request: HttpRequest, kind: bulk.Kind, started: bulk.Started, *, back: str
) -> HttpResponse:
    if not started.did.changed:
        messages.warning(
            request, "Nothing was left to do: somebody was faster, or it is on its way."
        )
        return HttpResponseRedirect(back)
    rows = list(kind.model.objects.filter(pk__in=started.pks).only("pk", *kind.named_by))
    # Without the reason, which may name somebody: it stands at the rows, where it is covered and can be erased.
    note(request, rows, kind.done)
    tasks.wake_after(started.did)
    messages.success(request, f"{many(started.did.changed, kind.thing)}: {kind.done.lower()}")
    return HttpResponseRedirect(back)


def _label(kind: bulk.Kind, choice: Any) -> str:
    """Return what the operation is called; what may name somebody, and what goes without saying, is left to its page."""
    facts = in_words(choice, discretion=Discretion(is_clear=False))
    said = ", ".join(f"{name.lower()} {value}" for name, value in facts if name not in UNTOLD)
    return f"{kind.title} {many(2, kind.thing).removeprefix('2 ')}{f': {said}' if said else ''}"[
        :200
    ]


def _back(request: HttpRequest, fallback: str) -> str:
    wanted = request.GET.get("next", "")
    known = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
    return wanted if known else fallback
