"""Lists whose rows know what their reader may see."""

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from bookings.discretion import Discretion


class DiscreetChangeList(ChangeList):
    """Give each row of a page its reader's `discretion`, which the columns ask."""

    def get_results(self, request: HttpRequest) -> None:
        """Find the page's rows."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        discretion = Discretion.of(request.user)
        for row in rows:
            row.discretion = discretion
        self.result_list = rows
