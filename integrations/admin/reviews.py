"""Match reviews: who an invitee is at a connection, where only a person can tell, and what was answered."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Model, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_GET, require_POST

from bookings.browsing import ReadOnlyAdmin, display
from bookings.covering import cover, cover_all
from bookings.discretion import HIDDEN, Discretion
from bookings.meeting import load_meeting
from integrations import reviews, tasks
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.people import meeting_for
from integrations.admin.words import TONES, booking_link
from integrations.errors import Candidate, IntegrationError
from integrations.models import Delivery, MatchReview

State, Verdict = MatchReview.State, MatchReview.Verdict

_FORGET = Operation(name="forget", label="Forget this answer", icon="backspace")
_LOOK_AGAIN = Operation(name="look_again", label="Look again", icon="refresh")
_MEETINGS_SHOWN = 10


@admin.register(MatchReview)
class MatchReviewAdmin(OperatedAdmin, ReadOnlyAdmin):
    """The questions to staff, the open ones first."""

    operations = (_LOOK_AGAIN, _FORGET)
    list_display = ("question", "badge", "connection", "who", "fitting", "asked", "answered")
    list_filter = ("state", "connection")
    list_select_related = ("connection", "chain__booking__event_type")
    search_fields = ("=id", "chain__email_folded__startswith", "=remote_id")
    ordering = (Case(When(state=State.OPEN, then=Value(0)), default=Value(1)), "-id")

    def get_urls(self) -> list[URLPattern]:
        """Add where an answer is given, and the way from a delivery to its question."""
        decide = self.admin_site.admin_view(require_POST(self.decide))
        of = self.admin_site.admin_view(require_GET(self.of_delivery))
        return [
            path("<int:pk>/decide/", decide, name="integrations_matchreview_decide"),
            path("of/<int:delivery_id>/", of, name="integrations_matchreview_of"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the invitee beside the records that fit, and the ways to answer."""
        review = self.get_object(request, object_id)
        context = self._page(request, review) if review else {}
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def of_delivery(self, request: HttpRequest, delivery_id: int) -> HttpResponse:
        """Lead from a delivery to the review that it waits for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        delivery = Delivery.objects.filter(pk=delivery_id).first()
        review = reviews.review_of(delivery) if delivery else None
        if review is None:
            messages.info(request, "Nothing is asked about this delivery's invitee any more.")
            return HttpResponseRedirect(reverse("admin:integrations_matchreview_changelist"))
        return HttpResponseRedirect(_url(review))

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what an answer would do, and give it once that is confirmed."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        review = MatchReview.objects.select_related("connection", "chain__booking").filter(pk=pk).first()  # fmt: skip
        verdict = request.POST.get("verdict", "")
        if review is None or verdict not in Verdict.values:
            raise Http404
        candidate = _candidate(request, review) if verdict == Verdict.USE else None
        if verdict == Verdict.USE and candidate is None:
            return HttpResponseRedirect(_url(review))
        if "confirmed" not in request.POST:
            return self._confirm(request, review, verdict=verdict, candidate=candidate)
        self._answer(request, review, verdict=verdict, candidate=candidate)
        return HttpResponseRedirect(_url(review))

    def forget(self, request: HttpRequest, queryset: QuerySet[MatchReview]) -> None:
        """Take an answer back: the person's next meeting asks again."""
        now, by = timezone.now(), request.user.get_username()
        for review in queryset:
            if reviews.forget(review, seen=review.decided_at, by=by, now=now):
                self.log(request, [review], "Forgot the answer.")
                messages.success(request, "Forgotten. What was written with it stays as it is.")
            else:
                messages.warning(request, "There is no answer to forget any more.")

    def look_again(self, request: HttpRequest, queryset: QuerySet[MatchReview]) -> None:
        """Try what waits again without an answer, once somebody has mended the records over there."""
        now, by = timezone.now(), request.user.get_username()
        for review in queryset:
            count = reviews.look_again(review, by=by, now=now)
            self.log(request, [review], "Had it looked for again.")
            tasks.nudge_connection(review.connection_id)
            messages.success(request, f"{_deliveries(count)} tried again.")

    def offered(self, row: MatchReview) -> tuple[Operation, ...]:
        """Offer to look again while it is open, and to forget an answer."""
        return {State.OPEN: (_LOOK_AGAIN,), State.ANSWERED: (_FORGET,)}.get(State(row.state), ())

    def _page(self, request: HttpRequest, review: MatchReview) -> dict[str, Any]:
        discretion = Discretion.of(request.user)
        meeting = meeting_for(load_meeting(review.chain_id), discretion)
        waiting = reviews.waiting_for(review).select_related("event__booking__event_type", "chain")
        live = review.state in {State.OPEN, State.ANSWERED}
        return {
            "meeting": meeting,
            "waiting": cover_all(waiting.order_by("id")[:_MEETINGS_SHOWN], discretion),
            "waiting_count": waiting.count(),
            "may_decide": live and self.has_operate_permission(request),
            "seen": _seen(review),
            "title": f"Who is {meeting.invitee_name or meeting.email or 'this invitee'}?",
        }

    def _confirm(
        self,
        request: HttpRequest,
        review: MatchReview,
        *,
        verdict: str,
        candidate: Candidate | None,
    ) -> HttpResponse:
        discretion = Discretion.of(request.user)
        if candidate and not discretion.is_clear:
            candidate = replace(candidate, label=HIDDEN, detail="")
        cover(review, discretion)
        context = {
            **self.admin_site.each_context(request), "title": "Confirm the answer", "opts": self.opts,
            "review": review, "verdict": verdict, "candidate": candidate, "seen": request.POST.get("seen", ""),
            "waiting_count": reviews.waiting_for(review).count(), "meeting": meeting_for(load_meeting(review.chain_id), discretion),
        }  # fmt: skip
        template = "admin/integrations/matchreview/confirm.html"
        return TemplateResponse(request, template, context)

    def _answer(
        self,
        request: HttpRequest,
        review: MatchReview,
        *,
        verdict: str,
        candidate: Candidate | None,
    ) -> None:
        count = reviews.answer(
            review, verdict=verdict, candidate=candidate, seen=_parsed(request.POST.get("seen", "")),
            by=request.user.get_username(), now=timezone.now(),
        )  # fmt: skip
        if count is None:
            messages.error(
                request, "Somebody answered in the meantime; this answer was not taken. See below."
            )
            return
        what = f" {candidate.object_type} {candidate.remote_id}" if candidate else ""
        self.log(request, [review], f"Answered: {Verdict(verdict).label}{what}.")
        tasks.nudge_connection(review.connection_id)
        messages.success(request, f"Answered. {_deliveries(count)} sent now.")

    @display(
        description="state",
        ordering="state",
        label={**TONES, "open": "warning", "answered": "success"},
    )
    def badge(self, review: MatchReview) -> tuple[str, str]:
        """Show the state."""
        return review.state, review.get_state_display()

    @display(description="who, and their meeting")
    def who(self, review: MatchReview) -> str:
        """Link to the booking of the one who is asked about."""
        return booking_link(review.chain.booking, text=f"{review.chain}, {review.chain.booking}")

    @display(description="fitting")
    def fitting(self, review: MatchReview) -> int:
        """Show how many records fit."""
        return len(review.candidates)

    @display(description="asked", ordering="created_at")
    def asked(self, review: MatchReview) -> str:
        """Show since when it is asked."""
        return f"{review.created_at:%d %b %Y, %H:%M} UTC"

    @display(description="answer")
    def answered(self, review: MatchReview) -> str:
        """Show what was answered, and by whom."""
        if not review.verdict:
            return "-"
        return f"{review.get_verdict_display()}, by {review.decided_by}"


def _url(review: Model) -> str:
    return reverse("admin:integrations_matchreview_change", args=[review.pk])


def _candidate(request: HttpRequest, review: MatchReview) -> Candidate | None:
    """Return the record that was named: one of those that fit, or any that the connector finds by its id."""
    named = request.POST.get("remote_id", "").strip()
    listed = next((row for row in review.candidates if row["remote_id"] == named), None)
    if listed:
        return Candidate(**listed)
    try:
        found = reviews.find(review.connection, named)
    except IntegrationError as error:
        messages.error(request, f"{error} {error.hint}".strip())
        return None
    if found is None:
        messages.error(
            request,
            f"{review.connection} knows no such person: enter the id of a record, or the address of its page.",
        )
    return found


def _seen(review: MatchReview) -> str:
    return review.decided_at.isoformat() if review.decided_at else ""


def _parsed(seen: str) -> datetime | None:
    """Return when the answer was given that the page showed."""
    try:
        return parse_datetime(seen)
    except ValueError:
        return None


def _deliveries(count: int) -> str:
    return "1 delivery is" if count == 1 else f"{count} deliveries are"
