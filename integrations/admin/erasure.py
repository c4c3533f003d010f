"""Erase a person: enter the address, see what there is, confirm; a worker does it. And what remains elsewhere."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from bookings.admin.bookings import InviteeAdmin as MirrorInviteeAdmin
from bookings.browsing import ReadOnlyAdmin, display
from bookings.discretion import Discretion
from bookings.models import Invitee
from integrations import erasure, tasks
from integrations.admin.words import TONES
from integrations.models import ErasureRequest

_PERMISSION = "integrations.add_erasurerequest"

admin.site.unregister(Invitee)


class PersonForm(forms.Form):
    """Ask for the address of the person to be erased."""

    email = forms.CharField(
        label="E-mail address",
        max_length=320,
        # No type="email": browsers refuse letters there that an address may have.
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "inputmode": "email"}),
    )

    def clean_email(self) -> str:
        """Return the address as it is compared."""
        return erasure.checked(self.cleaned_data["email"])


@admin.register(ErasureRequest)
class ErasureRequestAdmin(ReadOnlyAdmin):
    """Who asked to erase somebody, when, what was found, and what remains at other systems; never whom."""

    list_display = (
        "number",
        "badge",
        "requested_by",
        "created_at",
        "finished_at",
        "places",
        "remains",
    )
    list_filter = ("state",)
    when_empty = "Nobody was erased."
    ordering = ("-id",)
    fields = ("requested_by", "created_at", "finished_at")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Tell whether this person may have somebody erased."""
        return bool(request.user.has_perm(_PERMISSION))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Ask for the address, show what there is, and erase it once that is confirmed."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._show(request, PersonForm(initial=_initial(request)))
        form = PersonForm(request.POST)
        if not form.is_valid():
            return self._show(request, form)
        if "confirmed" in request.POST:
            return self._begin(request, form.cleaned_data["email"])
        found = erasure.preview(form.cleaned_data["email"], now=timezone.now())
        return self._show(request, form, found=_named(found))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show what was erased, and what remains at other systems."""
        row = self.get_object(request, object_id)
        context = {"found": _named(row.found) if row else {}, **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    @display(description="request", ordering="id")
    def number(self, row: ErasureRequest) -> str:
        """Show its number."""
        return str(row)

    @display(description="state", ordering="state", label={**TONES, "done": "success"})
    def badge(self, row: ErasureRequest) -> tuple[str, str]:
        """Show the state."""
        return row.state, row.get_state_display()

    @display(description="invitees erased")
    def places(self, row: ErasureRequest) -> int:
        """Show how many places in bookings were the person's."""
        return int(row.found.get("invitees", 0))

    @display(description="left elsewhere")
    def remains(self, row: ErasureRequest) -> int:
        """Show how many records at other systems are to be deleted by hand."""
        return len(row.remote)

    def _show(
        self, request: HttpRequest, form: PersonForm, *, found: dict[str, int] | None = None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request), "title": "Erase a person", "opts": self.opts, "form": form,
            "found": found,
        }  # fmt: skip
        template = "admin/integrations/erasurerequest/start.html"
        return TemplateResponse(request, template, context)

    def _begin(self, request: HttpRequest, email: str) -> HttpResponse:
        row = erasure.request(email, requested_by=request.user.get_username(), now=timezone.now())
        LogEntry.objects.log_actions(
            user_id=request.user.pk or 0, queryset=[row], action_flag=ADDITION, change_message="Asked to erase a person.",
        )  # fmt: skip
        tasks.nudge_erasure()
        messages.success(request, "The person is being erased.")
        if not self.has_view_permission(request, row):
            return HttpResponseRedirect(reverse("admin:index"))
        page = reverse("admin:integrations_erasurerequest_change", args=[row.pk])
        return HttpResponseRedirect(page)


@admin.register(Invitee)
class InviteeAdmin(MirrorInviteeAdmin):
    """The people who booked, each with the way to erase them."""

    change_form_outer_before_template: str | None = "admin/integrations/erasurerequest/link.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Offer to erase the person to who may."""
        invitee = self.get_object(request, object_id)
        offered = bool(invitee and invitee.email and request.user.has_perm(_PERMISSION))
        url = f"{reverse('admin:integrations_erasurerequest_add')}?invitee={object_id}"
        context = {"erase_url": url if offered else "", **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)


def _initial(request: HttpRequest) -> dict[str, str]:
    """Fill in the address of the invitee whose page one comes from; it is never part of a URL."""
    asked = request.GET.get("invitee", "")
    may_see = Discretion.of(request.user).is_clear and request.user.has_perm(
        "bookings.view_invitee"
    )
    allowed = asked.isdigit() and may_see
    invitee = Invitee.objects.filter(pk=asked).only("email").first() if allowed else None
    return {"email": invitee.email} if invitee else {}


def _named(found: erasure.Found) -> dict[str, int]:
    return {name.replace("_", " "): count for name, count in found.items()}
