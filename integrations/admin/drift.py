"""Drift: comparisons of what a system holds with what we wrote, and what to do about each difference."""

from collections.abc import Iterable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from bookings.browsing import ReadOnlyAdmin, display, links, list_link
from integrations import drift, tasks
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.words import TONES, booking_link, short
from integrations.models import DriftFinding, DriftRun
from integrations.templatetags.calsync import held

Found = DriftFinding.State

_GONE = "It is gone over there: deleted, or hidden from the user that Calsync acts as."


@admin.register(DriftRun)
class DriftRunAdmin(ReadOnlyAdmin):
    """Every comparison, newest first."""

    list_display = ("run", "connection", "badge", "compared", "differences", "gone", "ended")
    list_filter = ("state", "connection")
    list_select_related = ("connection",)
    ordering = ("-id",)
    fields = (
        "connection", "standing", "error", "hint", "compared", "differences", "gone", "requested_by", "created_at",
        "started_at", "finished_at", "not_before",
    )  # fmt: skip
    readonly_fields = ("standing", "differences", "gone")

    @display(description="report", ordering="id")
    def run(self, run: DriftRun) -> str:
        """Name the comparison."""
        return f"#{run.pk}, {run.created_at:%d %b %Y, %H:%M} UTC"

    @display(description="state", ordering="state", label=TONES)
    def badge(self, run: DriftRun) -> tuple[str, str]:
        """Show the state."""
        return run.state, run.get_state_display()

    @display(description="state")
    def standing(self, run: DriftRun) -> str:
        """Say the state where a badge is none: on the report's own page."""
        return run.get_state_display()

    @display(description="changed over there", ordering="differing")
    def differences(self, run: DriftRun) -> object:
        """Link to the records that differ."""
        return list_link(DriftFinding, str(run.differing), run__id__exact=run.pk, gone__exact=0) if run.differing else 0  # fmt: skip

    @display(description="gone over there", ordering="missing")
    def gone(self, run: DriftRun) -> object:
        """Link to the records that are gone."""
        return list_link(DriftFinding, str(run.missing), run__id__exact=run.pk, gone__exact=1) if run.missing else 0  # fmt: skip

    @display(description="ended", ordering="finished_at")
    def ended(self, run: DriftRun) -> str:
        """Show when it ended, or until when it waits."""
        if run.finished_at:
            return f"{run.finished_at:%d %b %Y, %H:%M} UTC"
        return f"waits until {run.not_before:%H:%M} UTC" if run.not_before else "-"


@admin.register(DriftFinding)
class DriftFindingAdmin(OperatedAdmin, ReadOnlyAdmin):
    """What is not as we wrote it."""

    operations = (
        Operation(name="repair", label="Write ours again", icon="restore"),
        Operation(name="accept", label="Accept theirs", icon="check"),
    )
    actions = ("repair", "accept")
    list_before_template = "admin/integrations/driftfinding/lines.html"
    list_display = ("record", "booking", "difference", "badge", "writing", "seen")
    list_filter = ("state", "gone", "object_type", "run__connection", "run")
    list_select_related = ("run__connection", "chain__booking__event_type", "delivery")
    ordering = ("-id",)
    fields = (
        "record",
        "booking",
        "difference",
        "standing",
        "decided_by",
        "writing",
        "run",
        "created_at",
    )
    readonly_fields = ("record", "booking", "difference", "standing", "writing")

    @admin.action(description="Write ours again", permissions=["operate"])
    def repair(self, request: HttpRequest, queryset: QuerySet[DriftFinding]) -> None:
        """Have the meetings written again as we know them."""
        rows = list(queryset.select_related("run"))
        count = drift.repair(rows, now=timezone.now(), by=request.user.get_username())
        self.log(request, rows, "Asked to write ours again.")
        for connection_id in {row.run.connection_id for row in rows}:
            tasks.nudge_connection(connection_id)
        _say(request, count, did="written again now; each delivery says what came of it")

    @admin.action(description="Accept theirs", permissions=["operate"])
    def accept(self, request: HttpRequest, queryset: QuerySet[DriftFinding]) -> None:
        """Take what stands over there for right until the meeting changes."""
        rows = list(queryset.select_related("run"))
        count = drift.accept(rows, by=request.user.get_username())
        self.log(request, rows, "Accepted as it is over there.")
        _say(request, count, did="accepted; it is not reported again until the meeting changes")

    def offered(self, row: DriftFinding) -> Iterable[Operation]:
        """Offer both where nothing was decided yet."""
        return self.operations if row.state == Found.FOUND else ()

    @display(description="record", ordering="remote_id")
    def record(self, finding: DriftFinding) -> str:
        """Link to the record over there."""
        text = f"{finding.object_type} {finding.remote_id}"
        if not finding.url or finding.gone:
            return text
        return format_html('<a class="text-primary-600 hover:underline" href="{}" rel="noreferrer">{}</a>', finding.url, text)  # fmt: skip

    @display(description="booking")
    def booking(self, finding: DriftFinding) -> str:
        """Link to the booking's page."""
        return booking_link(finding.chain.booking, text=str(finding.chain))

    @display(description="ours, and theirs")
    def difference(self, finding: DriftFinding) -> SafeString:
        """Show each field that differs."""
        if finding.gone:
            return format_html("<div>{}</div>", _GONE)
        rows = [
            (name, short(held(ours)), short(held(theirs)))
            for name, (ours, theirs) in finding.fields.items()
        ]
        lines = format_html_join(mark_safe("<br>"), "<strong>{}</strong>: {} &rarr; {}", rows)
        return format_html("<div>{}</div>", lines)

    @display(description="decision", ordering="state", label={**TONES, "found": "warning", "repair": "info", "accepted": "default"})  # fmt: skip
    def badge(self, finding: DriftFinding) -> tuple[str, str]:
        """Show what was decided."""
        return finding.state, finding.get_state_display()

    @display(description="decision")
    def standing(self, finding: DriftFinding) -> str:
        """Say what was decided where a badge is none: on the difference's own page."""
        return finding.get_state_display()

    @display(description="delivery")
    def writing(self, finding: DriftFinding) -> str:
        """Link to the delivery that writes it again."""
        if finding.delivery is None:
            return "-"
        return links([(finding.delivery, finding.delivery.get_state_display())])

    @display(description="seen", ordering="created_at")
    def seen(self, finding: DriftFinding) -> str:
        """Show when it was found."""
        return f"{finding.created_at:%d %b %Y, %H:%M} UTC"


def _say(request: HttpRequest, count: int, *, did: str) -> None:
    if count:
        messages.success(request, f"{count} {did}.")
    else:
        messages.warning(request, "Nothing was left to decide, or nothing was ever delivered.")
