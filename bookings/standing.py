"""What staff should know of a mirrored row before they trust it: gone at the source, erased, only mentioned."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db.models import Q

from bookings.models import MirrorRow

#: State -> what its rows have in common.
MARKED: Mapping[str, Q] = {
    "vanished": Q(vanished_at__isnull=False),
    "erased": Q(erased_at__isnull=False),
    "mentioned": Q(source_updated_at__isnull=True),
}
#: State -> colour of its badge.
TONES: Mapping[str, str] = {
    "vanished": "danger", "erased": "warning", "retired": "default", "mentioned": "info",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Name a state in a word for a badge, and in a sentence for staff."""

    state: str
    label: str
    words: str

    @property
    def tone(self) -> str:
        """Return the colour of the badge."""
        return TONES[self.state]


def marks(row: MirrorRow) -> Iterator[Mark]:
    """Yield what is to be known of the row, the gravest first."""
    vanished_at = getattr(row, "vanished_at", None)
    deleted_at = getattr(row, "deleted_at", None)
    if row.erased_at:
        yield Mark(
            state="erased",
            label="erased",
            words=f"Personal data was erased here on {row.erased_at:%d %b %Y}; nothing that Calendly says fills it again.",
        )
    if vanished_at:
        yield Mark(
            state="vanished",
            label="gone at Calendly",
            words=f"Calendly has not known it since {vanished_at:%d %b %Y, %H:%M} UTC at the latest. "
            "What it last said is kept. If it answers again, this mark goes.",
        )
    if deleted_at:
        yield Mark(
            state="retired",
            label="retired",
            words=f"Deleted in Calendly on {deleted_at:%d %b %Y}; kept for the bookings made from it.",
        )
    if row.source_updated_at is None:
        yield Mark(
            state="mentioned",
            label="only mentioned",
            words="Others name it, but its own details were never read. Read it again to have them.",
        )
