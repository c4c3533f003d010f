"""Counts that stay cheap however much there is: nobody reads on past "1,000+"."""

from typing import Any

from django.db.models import IntegerField, QuerySet, Subquery

#: How far rows are counted.
MOST = 1_000


class CappedCount(Subquery):
    """Count the rows of a subquery for each row outside, as far as one past `MOST`."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()

    def __init__(self, rows: QuerySet[Any]) -> None:
        super().__init__(rows.order_by().values("pk")[: MOST + 1])


def capped_count(rows: QuerySet[Any]) -> int:
    """Count rows as far as one past `MOST`, whatever their order."""
    return rows.order_by()[: MOST + 1].count()


def counted(number: int) -> str:
    """Say a capped count: "12", or "1,000+"."""
    return f"{MOST:,}+" if number > MOST else f"{number:,}"


def many(number: int, thing: str, things: str = "") -> str:
    """Say how many of a thing there are: "1 rule", "3 deliveries", "1,000+ bookings"."""
    return f"{counted(number)} {thing if number == 1 else things or f'{thing}s'}"
