"""Rules as a file: the download, and the page that reads one."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget

from integrations.admin import rule_changes
from integrations.admin.operations import OperatedAdmin
from integrations.recipes import Change, UnusableFileError, What, export, load
from integrations.recipes.reading import MOST_TEXT


class FileForm(forms.Form):
    """Take a file, or what was pasted."""

    file = forms.FileField(
        label="A file",
        required=False,
        help_text="As Export writes it (YAML).",
        widget=forms.FileInput(attrs={"class": "cs-input"}),
    )
    text = forms.CharField(
        label="Or its text", required=False, strip=False, max_length=MOST_TEXT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 16, "spellcheck": "false", "style": "font-family: ui-monospace, monospace"}),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Take the text of the file where one was given."""
        cleaned: dict[str, Any] = super().clean() or {}
        file = cleaned.get("file")
        if isinstance(file, UploadedFile):
            cleaned["text"] = self._read(file)
        if not self.errors and not cleaned.get("text", "").strip():
            raise forms.ValidationError("Choose a file, or paste its text.")
        return cleaned

    def _read(self, file: "UploadedFile[Any]") -> str:
        if (file.size or 0) > MOST_TEXT:
            raise forms.ValidationError(f"The file is too long: {MOST_TEXT:,} characters at most.")
        try:
            return str(file.read().decode())
        except UnicodeDecodeError as error:
            raise forms.ValidationError("This is no text in UTF-8.") from error


def urls(admin: OperatedAdmin) -> list[URLPattern]:
    """Return the addresses of the download and of the page."""

    def download(request: HttpRequest) -> HttpResponse:
        return _download(request, admin)

    def page(request: HttpRequest) -> HttpResponse:
        return _page(request, admin)

    view = admin.admin_site.admin_view
    return [
        path("export/", view(download), name="integrations_rule_export"),
        path("import/", view(page), name="integrations_rule_import"),
    ]


def _download(request: HttpRequest, admin: OperatedAdmin) -> HttpResponse:
    """Send all rules as a file to who may change them."""
    if not admin.has_change_permission(request):
        raise PermissionDenied
    headers = {"Content-Disposition": 'attachment; filename="rules.yaml"'}
    return HttpResponse(export(), content_type="application/yaml; charset=utf-8", headers=headers)


def _page(request: HttpRequest, admin: OperatedAdmin) -> HttpResponse:
    """Check a file, show what it would change, and do it when that is asked for."""
    if not (admin.has_add_permission(request) and admin.has_change_permission(request)):
        raise PermissionDenied
    form = FileForm(request.POST or None, request.FILES or None)
    changes: list[Change] | None = None
    problems: list[str] = []
    if request.method == "POST" and form.is_valid():
        text, is_meant = form.cleaned_data["text"], "confirmed" in request.POST
        try:
            changes = (
                _load(request, text) if is_meant else load(text, now=timezone.now(), dry_run=True)
            )
        except UnusableFileError as error:
            problems = [str(problem) for problem in error.problems]
        if changes is not None and is_meant:
            counted = ", ".join(
                f"{sum(one.what == what for one in changes)} {what}" for what in What
            )
            messages.success(request, f"Imported: {counted}.")
            return HttpResponseRedirect(reverse("admin:integrations_rule_changelist"))
        form = FileForm(initial={"text": text})
    context = {
        **admin.admin_site.each_context(request), "opts": admin.opts, "title": "Import rules", "form": form,
        "changes": changes, "problems": problems, "has_work": any(one.what != What.EQUAL for one in changes or ()),
    }  # fmt: skip
    return TemplateResponse(request, "admin/integrations/rule/import.html", context)


def _load(request: HttpRequest, text: str) -> list[Change]:
    return rule_changes.load_noted(text, now=timezone.now(), user_id=request.user.pk or 0)
