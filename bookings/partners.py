"""The other invitees that an invitee's reschedule links name, looked up for a whole batch at once."""

from collections.abc import Iterable

from django.db.models import Q

from bookings.models import Invitee


class Partners:
    """Know the predecessors and successors of a batch of locked invitees; both ways by URI.

    A row that is in the batch is the batch's own object, so that what is announced of it is seen by its partners.
    """

    def __init__(self) -> None:
        self._rows: dict[str, Invitee] = {}
        self._successors: dict[str, dict[str, Invitee]] = {}
        self._looked_up: set[str] = set()

    def add(self, invitees: Iterable[Invitee]) -> None:
        """Take these invitees in, and read the partners of those whose partners are not known yet."""
        batch = list(invitees)
        for invitee in batch:
            self._take(invitee)
        asked = [invitee for invitee in batch if invitee.uri not in self._looked_up]
        self._looked_up.update(invitee.uri for invitee in asked)
        links = {uri for i in asked for uri in (i.old_invitee_uri, i.new_invitee_uri) if uri}
        if not asked:
            return
        partners = Q(old_invitee_uri__in=[invitee.uri for invitee in asked]) | Q(uri__in=links)
        rows = Invitee.objects.filter(partners).select_related("booking")
        for row in rows.select_for_update(of=("self",), no_key=True).order_by("uri"):
            if row.uri not in self._rows:
                self._take(row)

    def _take(self, invitee: Invitee) -> None:
        self._rows[invitee.uri] = invitee
        if invitee.old_invitee_uri:
            self._successors.setdefault(invitee.old_invitee_uri, {})[invitee.uri] = invitee

    def predecessor(self, invitee: Invitee) -> Invitee | None:
        """Return the invitee that this one was rescheduled from, if the mirror knows it."""
        return self._rows.get(invitee.old_invitee_uri)

    def successors(self, invitee: Invitee) -> list[Invitee]:
        """Return the invitees that were rescheduled from this one, by URI."""
        return [row for _, row in sorted(self._successors.get(invitee.uri, {}).items())]

    def has_successor(self, invitee: Invitee) -> bool:
        """Tell whether the mirror knows an invitee that this one was rescheduled to."""
        return bool(self.successors(invitee)) or invitee.new_invitee_uri in self._rows
