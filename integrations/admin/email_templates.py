"""E-mail templates: those that come with Calsync, those that staff changed, and what a message would look like."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.validators import RegexValidator
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from bookings.browsing import ModelAdmin, display
from bookings.meeting import load_meeting
from bookings.models import Invitee
from integrations.admin.mappings import may_see_people, recent_meetings
from integrations.connectors.email import recipients, rendering
from integrations.connectors.email.connector import EmailConnector
from integrations.connectors.email.shipped import SHIPPED
from integrations.connectors.values import Facts
from integrations.errors import RuleError
from integrations.models import EmailTemplate, MailTemplate, Rule

_PREVIEW = "admin/integrations/emailtemplate/preview.html"
_NAME = RegexValidator(r"^[a-z0-9_-]{1,50}$", "Use small letters, digits, - and _, as rules do.")
#: What the preview's frame may load: nothing, so that a picture of a template's asks no other server.
_POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
_ROLES = {"invitee": "the invitee", "host": "the host"}


class EmailTemplateForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Take the words, and refuse what could not be filled in, with the place."""

    class Meta:
        model = EmailTemplate
        fields = ("name", "label", "subject", "text", "html")
        widgets = {
            "subject": UnfoldAdminTextInputWidget,
            "text": UnfoldAdminTextareaWidget(attrs={"rows": 14, "spellcheck": "true"}),
            "html": UnfoldAdminTextareaWidget(attrs={"rows": 14, "spellcheck": "false"}),
        }

    def clean_name(self) -> str:
        """Return a name that a rule can call."""
        name: str = self.cleaned_data["name"]
        _NAME(name)
        return name

    def clean(self) -> dict[str, Any]:
        """Try the template on every kind of meeting, and say at each part what is wrong with it."""
        cleaned = super().clean() or self.cleaned_data
        given = {part: cleaned.get(part) or "" for part in ("subject", "text", "html")}
        template = MailTemplate(name="", label="", **given)
        for part, why in rendering.problems(template).items():
            self.add_error(part, why)
        return cleaned


@admin.register(EmailTemplate)
class EmailTemplateAdmin(ModelAdmin):
    """Staff's own templates; deleting one brings back what comes with Calsync."""

    form = EmailTemplateForm
    when_empty = "None of your own yet: rules use those above."
    list_display = ("label", "name", "replaces", "used_by", "updated_at", "preview")
    search_fields = ("name", "label")
    list_before_template = "admin/integrations/emailtemplate/shipped.html"
    change_form_outer_before_template = "admin/integrations/emailtemplate/names.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the preview."""
        view = self.admin_site.admin_view(self.preview_view)
        route = path("preview/<slug:name>/", view, name="integrations_emailtemplate_preview")
        return [route, *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that knows which rules use each template."""
        return _UsedChangeList

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep a template's name: rules call it by that."""
        return ("name",) if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the words of the shipped template that is to be changed."""
        found = SHIPPED.get(request.GET.get("name", ""))
        if found is None:
            return super().get_changeform_initial_data(request)
        return {part: getattr(found, part) for part in ("name", "label", "subject", "text", "html")}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the shipped templates above staff's own."""
        own = set(EmailTemplate.objects.values_list("name", flat=True))
        used = _rules_by_template()
        shipped = [
            {"template": item, "preview_url": _preview_url(item.name), "used_by": used[item.name]}
            for item in SHIPPED.values()
            if item.name not in own
        ]
        context = {
            "shipped": shipped,
            "may_add": self.has_add_permission(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:  # fmt: skip
        """Show a template with the rules that use it, and a way to its preview."""
        row = self.get_object(request, object_id) if object_id else None
        shown = {"used_by": _rules(row.name), "preview_url": _preview_url(row.name)} if row else {}
        response: HttpResponse = super().changeform_view(
            request, object_id, form_url, {**shown, **(extra_context or {})}
        )
        return response

    def preview_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Show what a template would say of a booking, or of an example."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        stored = EmailTemplate.stored()
        if name not in stored and name not in SHIPPED:
            raise Http404
        recent = recent_meetings() if may_see_people(request) else []
        chosen, role = _chosen(request, recent), request.GET.get("to", "")
        role = role if role in _ROLES else "invitee"
        template = rendering.choose(name, stored)
        context = {
            **self.admin_site.each_context(request), **_drawn(template, chosen, role), "opts": self.opts,
            "title": f"Preview of {template.label}", "template": template, "recent": recent, "chosen": chosen,
            "role": role, "roles": _ROLES, "used_by": _rules(name), "edit_url": _edit_url(name),
        }  # fmt: skip
        return TemplateResponse(request, _PREVIEW, context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Refuse to delete what rules send, unless one that comes with Calsync takes its place."""
        deleted, counts, perms, protected = super().get_deleted_objects(objs, request)
        needed = [
            f'The rule "{rule.name}" sends "{row}". Name another template in it first.'
            for row in objs
            if row.name not in SHIPPED
            for rule in _rules(row.name)
        ]
        return deleted, counts, perms, [*protected, *needed]

    @display(description="replaces", boolean=True)
    def replaces(self, template: EmailTemplate) -> bool:
        """Tell whether it stands in the place of one that comes with Calsync."""
        return template.name in SHIPPED

    @display(description="used by")
    def used_by(self, template: Any) -> str:
        """Name the rules that send it."""
        return ", ".join(rule.name for rule in template.rules) or "-"

    @display(description="")
    def preview(self, template: EmailTemplate) -> str:
        """Lead to the preview."""
        link = '<a class="text-primary-600 hover:underline" href="{}">Preview</a>'
        return format_html(link, _preview_url(template.name))


class _UsedChangeList(ChangeList):
    """Find the rules of all templates at once."""

    def get_results(self, request: HttpRequest) -> None:
        """Give each template its rules."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        used = _rules_by_template()
        for row in rows:
            row.rules = used[row.name]
        self.result_list = rows


def _rules_by_template() -> Mapping[str, list[Rule]]:
    """Return the rules that make messages, by the name of each template that they use."""
    found: dict[str, list[Rule]] = defaultdict(list)
    for rule in Rule.objects.filter(connection__provider="email"):
        for name in set(EmailConnector.templates_of(rule.action, rule.options).values()):
            found[name].append(rule)
    return found


def _rules(name: str) -> list[Rule]:
    """Return the rules that make messages from a template."""
    return _rules_by_template()[name]


def _chosen(request: HttpRequest, recent: Sequence[Invitee]) -> str:
    """Return the chain that was asked for, else the latest; nothing stands for the example."""
    newest = str(recent[0].chain_id) if recent else ""
    asked = request.GET.get("meeting", newest)
    return asked if asked in {"", *(str(row.chain_id) for row in recent)} else newest


def _drawn(template: MailTemplate, chosen: str, role: str) -> dict[str, Any]:
    meeting = load_meeting(int(chosen)) if chosen else rendering.EXAMPLES[0]
    found = recipients.find([role], meeting).people
    person = found[0] if found else rendering.EXAMPLE_RECIPIENT
    page = reverse("admin:bookings_booking_change", args=[meeting.booking_id])
    facts = Facts(meeting=meeting, booking_url=settings.CALSYNC_PUBLIC_URL.rstrip("/") + page)
    try:
        content = rendering.fill(
            template, facts, person, options=rendering.EXAMPLE_OPTIONS, sender="Your company"
        )
    except RuleError as error:
        return {"trouble": error.answer}
    html = content.html.replace("<head>", f"<head>{_POLICY}", 1)
    return {"content": content, "html": html, "person": person}


def _preview_url(name: str) -> str:
    return reverse("admin:integrations_emailtemplate_preview", args=[name])


def _edit_url(name: str) -> str:
    row = EmailTemplate.objects.filter(name=name).first()
    if row:
        return reverse("admin:integrations_emailtemplate_change", args=[row.pk])
    return f"{reverse('admin:integrations_emailtemplate_add')}?name={name}"
