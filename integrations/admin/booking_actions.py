"""What staff do about a booking: send it again, mark who did not come, cancel it at Calendly.

The network is asked outside of any transaction. What was changed over there is asked for again, and comes back by the road.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from bookings.given import row_id
from bookings.models import Booking, Status
from integrations import at_source, refetch, resync, tasks
from integrations.admin.cancel_form import CancelForm
from integrations.admin.operations import OperatedAdmin, note
from integrations.admin.sight import sight
from integrations.at_source import Changed, NotNowError
from integrations.errors import IntegrationError, TemporaryError
from integrations.models import Delivery
from integrations.templatetags.discreet import called


class BookingActionsAdmin(OperatedAdmin):
    """Give a booking's page its buttons; each is a POST, and what cannot be taken back is asked for twice."""

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses that the buttons POST to."""
        views = {
            "send_again": self.send_again,
            "no_show": self.no_show,
            "cancel": self.cancel_at_source,
        }
        routes = [
            path(f"<int:booking_id>/{name}/", self.admin_site.admin_view(require_POST(view)), name=f"bookings_booking_{name}")
            for name, view in views.items()
        ]  # fmt: skip
        return [*routes, *super().get_urls()]

    def send_again(self, request: HttpRequest, booking_id: int) -> HttpResponse:
        """Send the booking as it is now to every destination, or to that of the delivery that is named."""
        booking = self._booking(request, booking_id, may=self.has_operate_permission(request))
        chosen = _chosen(request, booking)
        if chosen and "confirmed" not in request.POST and _any_delivered(chosen):
            return self._page(request, booking, "send_again", deliveries=chosen)
        count = resync.send_again(chosen, now=timezone.now(), by=request.user.get_username())
        if count:
            _wake(chosen)
            note(request, [booking, *chosen], "Sent again as the booking is now.")
            messages.success(request, f"Sent again to {count} destination{'s' * (count > 1)}.")
        else:
            messages.warning(
                request,
                "Nothing to send again: what waits is sent by itself, and a rule that is switched off sends nothing.",
            )
        return _back(booking)

    def no_show(self, request: HttpRequest, booking_id: int) -> HttpResponse:
        """Mark an invitee as a no-show at Calendly, or take it back."""
        booking = self._booking(request, booking_id, may=self.has_operate_permission(request))
        pk = row_id(request.POST.get("invitee", "")) or 0
        invitee = booking.invitees.filter(pk=pk).first()
        if invitee is None:
            raise Http404

        def change() -> Changed:
            meeting = at_source.meeting_of(invitee.chain_id)
            if meeting.invitee_uri != invitee.uri:
                raise NotNowError("The meeting was moved: go to the booking that it is now.")
            if "take_back" in request.POST:
                return at_source.take_back_no_show(meeting, now=timezone.now())
            return at_source.mark_no_show(meeting, now=timezone.now(), look_first=True)

        what = "Took a no-show back" if "take_back" in request.POST else "Marked a no-show"
        _carry_out(request, booking, change, what=what)
        return _back(booking)

    def cancel_at_source(self, request: HttpRequest, booking_id: int) -> HttpResponse:
        """Ask for the reason and whether it is meant, then cancel the booking at Calendly for everybody in it."""
        may = request.user.has_perm("bookings.cancel_booking")
        booking = self._booking(request, booking_id, may=may)
        refusal = at_source.why_not_canceled(booking, now=timezone.now())
        if refusal:
            messages.warning(request, refusal)
            return _back(booking)
        attending = _attending(booking)
        asked = "confirmed" in request.POST
        form = CancelForm(request.POST if asked else None, attending=attending)
        if not asked or not form.is_valid():
            return self._page(request, booking, "cancel", form=form, attending=attending)
        reason = form.cleaned_data["reason"]
        _carry_out(
            request,
            booking,
            lambda: at_source.cancel(booking, reason=reason, now=timezone.now()),
            what="Canceled",
        )
        return _back(booking)

    def _booking(self, request: HttpRequest, booking_id: int, *, may: bool) -> Booking:
        if not (may and self.has_view_permission(request)):
            raise PermissionDenied
        booking: Booking | None = self.get_object(request, str(booking_id))
        if booking is None:
            raise Http404
        return booking

    def _page(
        self, request: HttpRequest, booking: Booking, name: str, **context: Any
    ) -> HttpResponse:
        """Say what it means before it is done."""
        seen = sight(request.user)
        context = {
            **self.admin_site.each_context(request), **seen, **context, "opts": self.opts, "booking": booking,
            "title": called(booking, seen["discretion"]), "back_url": _url(booking),
        }  # fmt: skip
        return TemplateResponse(request, f"admin/bookings/booking/{name}.html", context)


def _chosen(request: HttpRequest, booking: Booking) -> list[Delivery]:
    chains = booking.invitees.filter(chain__isnull=False).values_list("chain_id", flat=True)
    found = resync.sendable(list(chains)).select_related("connection", "rule", "chain")
    named = request.POST.get("delivery", "")
    if named:
        found = found.filter(pk=row_id(named) or 0)
    return list(found.defer("chain__raw").order_by("connection__name", "id"))


def _wake(deliveries: list[Delivery]) -> None:
    """Wake the connections that send these now: a rule may have been moved to another since."""
    rows = Delivery.objects.filter(pk__in=[row.pk for row in deliveries])
    for connection_id in set(rows.values_list("connection_id", flat=True)):
        tasks.nudge_connection(connection_id)


def _any_delivered(deliveries: list[Delivery]) -> bool:
    return any(row.state == Delivery.State.DELIVERED for row in deliveries)


def _attending(booking: Booking) -> int:
    """Return how many invitees lose their place; the source's own count where it told one."""
    known = booking.invitees.exclude(status=Status.CANCELED).count()
    return max(known, booking.invitees_active or 0)


def _carry_out(
    request: HttpRequest, booking: Booking, change: Callable[[], Changed], *, what: str
) -> None:
    """Change the booking at its source, tell the person how it went, and have the mirror ask where anything may be new."""
    try:
        changed = change()
    except NotNowError as refusal:
        messages.warning(request, str(refusal))
    except TemporaryError as error:
        if error.ambiguous:
            _ask_again(booking)
            note(request, [booking], f"{what} at Calendly: no answer came.")
        messages.error(request, f"{error.answer} It is safe to press again.")
    except IntegrationError as error:
        messages.error(request, error.answer)
    else:
        if changed.is_new:
            _ask_again(booking)
            note(request, [booking], f"{what} at Calendly.")
        messages.success(request, changed.said)


def _ask_again(booking: Booking) -> None:
    refetch.ask_now(booking.uri, account=booking.account, now=timezone.now())
    tasks.nudge_refetch()


def _url(booking: Booking) -> str:
    return reverse("admin:bookings_booking_change", args=[booking.pk])


def _back(booking: Booking) -> HttpResponse:
    return HttpResponseRedirect(_url(booking))
