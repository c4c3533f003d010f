"""The button that asks Calendly about a mirrored row again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from bookings.models import SourceObject
from integrations import refetch, tasks
from integrations.admin.operations import OperatedAdmin, Operation


class ReadAgainAdmin(OperatedAdmin):
    """Give the pages of bookings, hosts and event types a way to be read again."""

    operations = (
        Operation(
            name="read_again", label="Read again from Calendly", icon="refresh",
            permission="bookings.change_booking",
        ),
    )  # fmt: skip
    actions = ("read_again",)
    change_form_outer_before_template: str | None = "admin/calsync/operated_mirror.html"

    @admin.action(description="Read again from Calendly")
    def read_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Ask Calendly about the rows again; what changed is carried on as usual."""
        rows = list(queryset)
        for row in rows:
            refetch.ask_now(row.uri, account=_account(row), now=timezone.now())
        tasks.nudge_refetch()
        self.log(request, rows, "Read again from Calendly.")
        name = self.opts.verbose_name if len(rows) == 1 else self.opts.verbose_name_plural
        messages.success(request, f"Calendly is being asked about {len(rows)} {name}.")


def _account(row: SourceObject) -> str:
    """Return who can be asked: a row from before accounts were kept is known to its bookings' account."""
    if row.account or not hasattr(row, "bookings"):
        return row.account
    known = row.bookings.exclude(account="").values_list("account", flat=True)
    return known.first() or ""
