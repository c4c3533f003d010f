"""The moment of an erasure: who read the tombstones before there was one, and may still write the person."""

from datetime import timedelta

from django.db import connection
from django.db.models import Model

#: Whoever read a table holds a lock on it until the transaction ends.
#: Source: https://www.postgresql.org/docs/current/view-pg-locks.html
_OLDER_READER = """
    SELECT EXISTS (
        SELECT 1
        FROM pg_locks AS held JOIN pg_stat_activity AS other USING (pid)
        WHERE held.relation = to_regclass(%s) AND held.granted AND other.datname = current_database()
          AND pid <> pg_backend_pid() AND other.xact_start <= clock_timestamp() - make_interval(secs => %s)
    )
"""


def has_older_reader(model: type[Model], *, age: timedelta) -> bool:
    """Tell whether a transaction older than `age` has read the model's table, and goes on.

    It did not see what was written since, and what it writes itself is not seen yet. SQLite has one writer at a time.
    """
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(_OLDER_READER, [model._meta.db_table, age.total_seconds()])  # noqa: SLF001  # Django's documented API
        (found,) = cursor.fetchone()
    return bool(found)
