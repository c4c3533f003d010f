"""The error inbox: what failed and needs a person, by cause, with what mends it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from bookings.browsing import CappedPaginator, ModelAdmin
from bookings.discretion import Discretion
from integrations import bulk
from integrations.admin.bulk_confirm import confirm, confirm_url
from integrations.admin.choosing import DeliveryForm, problems, query_of
from integrations.admin.mending import ADVICE, Mend, mend
from integrations.failures import Group, grouped
from integrations.models import Delivery
from integrations.notifications.links import cause_path

#: What the inbox shows unless asked otherwise: what needs a person.
_OPEN = bulk.DeliveryChoice(acknowledged=False, latest=True)
_CAUSES_A_PAGE = 25
_ROWS_A_PAGE = 50

_INBOX, _CAUSE = "integrations_delivery_inbox", "integrations_delivery_cause"
#: The page that asks before something is done to many deliveries.
BULK = "integrations_delivery_bulk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one failed delivery as a list shows it."""

    delivery: Delivery
    url: str
    booking_url: str
    who: str
    error: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Hold one cause as the page shows it: what failed, examples, what mends it, and where to go on."""

    group: Group
    connection: str
    needs: str
    cause: str
    hint: str
    fault: str
    examples: tuple[Row, ...]
    mend: Mend | None
    open_url: str
    retry_url: str
    ignore_url: str


def inbox_url() -> str:
    """Return the address of the inbox."""
    return reverse(f"admin:{_INBOX}")


def cause_url(*, connection_id: int, failure_class: str, cause: str) -> str:
    """Return the address of the failures of one cause that need a person."""
    return cause_path(connection_id=connection_id, failure_class=failure_class, cause=cause)


class ErrorInboxAdmin(ModelAdmin):
    """Add the inbox, the page of a cause, and what can be done to many of them."""

    def get_urls(self) -> list[URLPattern]:
        """Add the pages' addresses."""
        wrap = self.admin_site.admin_view
        return [
            path("inbox/", wrap(self.inbox_view), name=_INBOX),
            path("inbox/cause/", wrap(self.cause_view), name=_CAUSE),
            path("bulk/<slug:kind>/", wrap(self.bulk_view), name=BULK),
            *super().get_urls(),
        ]

    def inbox_view(self, request: HttpRequest) -> HttpResponse:
        """Show what failed by cause, the biggest first."""
        self._check(request)
        form = _form(request, without="cause")
        choice = replace(form.choice(), latest=True) if form.is_valid() else _OPEN
        page = Paginator(grouped(choice.rows()), _CAUSES_A_PAGE).get_page(request.GET.get("page"))
        context = {
            "title": "Error inbox", "form": form, "page": page, "query": query_of(choice),
            "cards": list(_cards(page.object_list, choice, request)), "is_open": choice.acknowledged is False,
            "is_narrowed": choice != _OPEN, "number": sum(group.count for group in page.paginator.object_list),
            **_everything(choice, request),
        }  # fmt: skip
        return self._show(request, "inbox", context)

    def cause_view(self, request: HttpRequest) -> HttpResponse:
        """Show the deliveries of one cause."""
        self._check(request)
        form = _form(request)
        try:
            choice = _choice_of_cause(form)
        except ValueError as error:
            if not len(messages.get_messages(request)):  # who has just mended it was told so
                messages.warning(request, str(error))
            return HttpResponseRedirect(inbox_url())
        groups = grouped(choice.rows())
        page = CappedPaginator(_listed(choice), _ROWS_A_PAGE).get_page(request.GET.get("page"))
        card = next(iter(_cards(groups, choice, request)), None)
        discretion = Discretion.of(request.user)
        context = {
            "title": "Failures of one cause", "card": card, "page": page, "query": query_of(choice),
            "rows": [_row(delivery, discretion) for delivery in page.object_list], "is_open": choice.acknowledged is False,
            "inbox_url": inbox_url(), "retry_chosen": confirm_url(BULK, "retry", ""),
            "ignore_chosen": confirm_url(BULK, "ignore", ""), **_everything(choice, request),
        }  # fmt: skip
        return self._show(request, "cause", context)

    def bulk_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Ask before something is done to many deliveries, or do it."""
        self._check(request)
        known = bulk.KINDS.get(kind)
        if known is None or known.model is not Delivery:
            raise Http404
        form = DeliveryForm(request.GET)
        return confirm(request, known, form=form, site=self.admin_site, fallback=inbox_url())

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _show(self, request: HttpRequest, name: str, context: Mapping[str, Any]) -> HttpResponse:
        whole = {**self.admin_site.each_context(request), **context}
        return TemplateResponse(request, f"admin/integrations/delivery/{name}.html", whole)


def _form(request: HttpRequest, *, without: str = "") -> DeliveryForm:
    """Read the filter; what is not said is what needs a person."""
    given = request.GET.copy()
    given.pop(without, None)
    given.setdefault("seen", "no")
    return DeliveryForm(given)


def _choice_of_cause(form: DeliveryForm) -> bulk.DeliveryChoice:
    if not form.is_valid():
        raise ValueError(problems(form))
    choice = form.choice()
    if choice.cause is None:
        raise ValueError("Choose one of the causes.")
    return replace(choice, latest=True)


def _listed(choice: bulk.DeliveryChoice) -> Any:
    return _with_names(choice.rows()).order_by("-pk")


def _with_names(rows: Any) -> Any:
    related = rows.select_related("event__booking", "chain", "rule", "connection")
    return related.defer("event__booking__raw", "chain__raw", "options")


def _everything(choice: bulk.DeliveryChoice, request: HttpRequest) -> dict[str, Any]:
    """Return the addresses at which all that is shown is sent again or ignored, for who may."""
    may = request.user.has_perm("integrations.change_delivery")
    return {"may_operate": may, **_urls(choice, request.get_full_path())} if may else {}


def _urls(choice: bulk.DeliveryChoice, back: str) -> dict[str, str]:
    query = query_of(choice)
    return {
        "retry_url": confirm_url(BULK, "retry", query, back=back),
        "ignore_url": confirm_url(BULK, "ignore", query, back=back),
    }


def _cards(
    groups: Iterable[Group], choice: bulk.DeliveryChoice, request: HttpRequest
) -> Iterator[Card]:
    groups, discretion = list(groups), Discretion.of(request.user)
    examples = {pk for group in groups for pk in (group.newest, group.oldest)}
    found = {row.pk: row for row in _with_names(Delivery.objects.filter(pk__in=examples))}
    for group in groups:
        rows = [found[pk] for pk in dict.fromkeys((group.newest, group.oldest)) if pk in found]
        if rows:
            yield _card(group, rows, choice, request=request, discretion=discretion)


def _card(
    group: Group, rows: list[Delivery], choice: bulk.DeliveryChoice, *, request: HttpRequest, discretion: Discretion
) -> Card:  # fmt: skip
    newest = rows[0]
    own = replace(choice, connection=group.connection_id, failure_class=group.failure_class, cause=group.cause)  # fmt: skip
    is_fault = group.failure_class == Delivery.FailureClass.CRASHED
    advice = ADVICE.get(group.failure_class, "")
    return Card(
        group=group, connection=str(newest.connection), needs=newest.get_failure_class_display(),
        cause=discretion.text(_last_line(newest.error) if group.count == 1 else group.cause), hint=(group.hint if discretion.is_clear else "") or advice,
        fault=discretion.text(_last_line(newest.error)) if is_fault else "",
        examples=tuple(_row(row, discretion) for row in rows), mend=mend(newest, user=request.user),
        open_url=f"{reverse(f'admin:{_CAUSE}')}?{query_of(own)}", **_urls(own, request.get_full_path()),
    )  # fmt: skip


def _row(delivery: Delivery, discretion: Discretion) -> Row:
    booking = delivery.event.booking_id
    return Row(
        delivery=delivery, url=reverse("admin:integrations_delivery_change", args=[delivery.pk]),
        booking_url=reverse("admin:bookings_booking_change", args=[booking]) if booking else "",
        who=discretion.name(str(delivery.chain)), error=discretion.text(_last_line(delivery.error)),
        reason=discretion.text(delivery.acknowledged_reason),
    )  # fmt: skip


def _last_line(error: str) -> str:
    """Return an error's line that says what it is: of a traceback the last."""
    lines = error.strip().splitlines() or [""]
    return lines[-1 if lines[0].startswith("Traceback") else 0].strip()
