"""Before a rule goes live: test it on one booking, saved or as it is typed, and simulate it on the last ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from bookings import searching
from bookings.discretion import Discretion
from bookings.models import Booking, Invitee
from integrations import bulk, rehearsing, tasks
from integrations.admin.operations import OperatedAdmin
from integrations.admin.rule_words import in_a_sentence
from integrations.admin.sight import sight
from integrations.admin.words import many
from integrations.models import Rule, SimulationResult
from integrations.rehearsing import Foreseen

#: Bookings that are offered to test on, and how many are looked through for one that the rule would act on.
OFFERED = 10
LOOKED_AT = 100
#: How the fields of this page begin, which are sent together with those of the rule's form.
OURS = "try_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Hold what was foreseen, with its verdict in words."""

    foreseen: Foreseen
    verdict: str
    label: str


class TriedAdmin(OperatedAdmin):
    """Give the rules' admin its pages to try one out. Nothing is saved there, nothing written anywhere, nothing sent."""

    def get_urls(self) -> list[URLPattern]:
        """Add the page to test and simulate, for what is saved and for what is typed."""
        view = self.admin_site.admin_view
        return [
            path("add/try/", view(require_POST(self.try_view)), name="integrations_rule_try_new"),
            path("<path:object_id>/try/", view(self.try_view), name="integrations_rule_try"),
            path("<path:object_id>/simulate/", view(require_POST(self.simulate_view)), name="integrations_rule_simulate"),
            *super().get_urls(),
        ]  # fmt: skip

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a rule with the button that tries out what the form says."""
        may = self.has_change_permission(request)
        url = reverse("admin:integrations_rule_try", args=[object_id]) if may else ""
        context = {"try_url": url, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the form of a new rule with the button that tries it out."""
        may = self.has_change_permission(request)
        url = reverse("admin:integrations_rule_try_new") if may else ""
        response: HttpResponse = super().add_view(
            request, form_url, {"try_url": url, **(extra_context or {})}
        )
        return response

    def try_view(self, request: HttpRequest, object_id: str = "") -> HttpResponse:
        """Offer bookings, and show what the rule would do about the one that was chosen."""
        saved = self._saved(request, object_id)
        form = self._typed(request, saved)
        problems = list(_problems(form)) if form else []
        rule = form.instance if form else saved
        chosen = None if problems or request.method != "POST" else self._chosen(request, rule)
        context = {
            **self.admin_site.each_context(request), **sight(request.user), "opts": self.opts,
            "title": f"Try out {rule or 'a new rule'}", "sentence": "" if problems else in_a_sentence(rule), "rule": rule, "saved": saved, "problems": problems,
            "is_typed": bool(form and form.has_changed()), "carried": list(_carried(request)),
            "offered": [] if problems else _offered(request, rule), "asked": request.POST.get(f"{OURS}q", ""),
            "chosen": chosen, "usual": rehearsing.USUAL, "most": rehearsing.MOST,
            **(self._tested(request, rule, chosen) if chosen else {}),
        }  # fmt: skip
        return TemplateResponse(request, "admin/integrations/rule/try.html", context)

    def simulate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Start a simulation of the saved rule, which a worker carries out."""
        rule = self._saved(request, object_id)
        number = request.POST.get("last", "")
        kind = bulk.KINDS["simulate"]
        try:
            choice, options = rehearsing.asked_for(
                rule, last=int(number) if number.isdecimal() else 0,
                conditions_only="conditions_only" in request.POST,
            )  # fmt: skip
        except ValueError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(reverse("admin:integrations_rule_try", args=[rule.pk]))
        started = bulk.start(
            kind, choice, label=f"Simulate “{rule}”", by=request.user.get_username(), now=timezone.now(), options=options
        )  # fmt: skip
        operation = started.operation
        self.log(request, [rule], f"Simulated on {many(len(choice['pks']), 'booking')}; nothing is sent.")  # fmt: skip
        self.log(request, [operation], "Started.")
        tasks.nudge_bulk()
        page = reverse("admin:integrations_bulkoperation_change", args=[operation and operation.pk])
        return HttpResponseRedirect(page)

    def _saved(self, request: HttpRequest, object_id: str) -> Any:
        """Return the rule of a page; None for one that is being added."""
        may = self.has_change_permission(request)
        if not may or not (object_id or self.has_add_permission(request)):
            raise PermissionDenied
        rule = self.get_object(request, object_id) if object_id else None
        if object_id and rule is None:
            raise Http404
        return rule

    def _typed(self, request: HttpRequest, saved: Rule | None) -> Any:
        """Return the rule's form with what was typed; None where the saved rule is asked for."""
        if saved is not None and "connection" not in request.POST:
            return None
        form_class = self.get_form(request, saved, change=saved is not None)
        return form_class(request.POST, instance=saved)

    def _chosen(self, request: HttpRequest, rule: Rule) -> Invitee | None:
        number = request.POST.get(f"{OURS}booking", "")
        if f"{OURS}latest" in request.POST:
            number = str(_latest(rule) or "")
            if not number:
                told = f"The rule would act on none of the last {LOOKED_AT} bookings. Choose one to see why."
                messages.warning(request, told)
        if not number.isdecimal():
            return None
        rows = Invitee.objects.select_related("booking__event_type").defer("raw", "booking__raw")
        return rows.filter(pk=int(number), chain=int(number)).first()

    def _tested(self, request: HttpRequest, rule: Rule, chosen: Invitee) -> dict[str, Any]:
        found = rehearsing.rehearse(rule, [chosen.pk], clock=timezone.now, asks=True)
        if rule.pk:
            told = f"Tested on booking #{chosen.booking_id}; nothing was written or sent."
            self.log(request, [rule], told)
        return {
            "shown": [_shown(item) for item in found.found], "wait": round(found.wait), "nothing": rehearsing.NOTHING,
        }  # fmt: skip


def _shown(found: Foreseen) -> Shown:
    verdict = rehearsing.verdict_of(found)
    return Shown(foreseen=found, verdict=verdict, label=SimulationResult.Verdict(verdict).label)


def _problems(form: forms.Form) -> Iterator[str]:
    for name, errors in form.errors.items():
        label = form.fields[name].label or name if name in form.fields else ""
        yield from (f"{label}: {error}" if label else str(error) for error in errors)


def _carried(request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield what was typed, to be sent again with the next choice."""
    if "connection" not in request.POST:
        return
    for name, values in request.POST.lists():
        if not name.startswith((OURS, "_", "csrf")):
            yield from ((name, str(value)) for value in values)


def _latest(rule: Rule) -> int | None:
    """Return the newest chain that the rule would act on; asks nobody."""
    now, chains = timezone.now(), rehearsing.newest(rule, most=LOOKED_AT)
    found = rehearsing.foresee(rule, rehearsing.find(rule, chains, now=now), now=now)
    acting = {item.occasion.chain_id for item in found if item.acts}
    return next((chain for chain in chains if chain in acting), None)


def _offered(request: HttpRequest, rule: Rule) -> Sequence[Invitee]:
    """Return the bookings to choose from: what a search finds, else the newest that give the rule something to decide."""
    term = request.POST.get(f"{OURS}q", "").strip()
    rows = Invitee.objects.select_related("booking__event_type").defer("raw", "booking__raw")
    if term:
        found = _searched(term, Discretion.of(request.user)).order_by("-id")[:OFFERED]
        places = Invitee.objects.filter(booking__in=[row.pk for row in found], chain__isnull=False)
        chains = list(places.order_by("-id").values_list("chain_id", flat=True)[:OFFERED])
    else:
        chains = rehearsing.newest(rule, most=OFFERED)
    return sorted(rows.filter(pk__in=chains), key=lambda row: chains.index(row.pk))


def _searched(term: str, discretion: Discretion) -> Any:
    """Return the bookings with these words, or of this URI."""
    if term.startswith("https://"):
        return Booking.objects.filter(uri=term.partition("/invitees/")[0])
    return searching.found(Booking.objects.all(), term, is_clear=discretion.is_clear)
