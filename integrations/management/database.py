"""What the commands that work on stored rows have in common: a database that is there and up to date."""

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor


class DatabaseCommand(BaseCommand):
    """Say what to do where there is no usable database, rather than fail at the first query."""

    requires_migrations_checks = True

    def check_migrations(self) -> None:
        """Look before the command runs. Raises CommandError."""
        try:
            executor = MigrationExecutor(connection)
        except OperationalError as error:
            raise CommandError(
                "The database does not answer. Start it, or mend DATABASE_URL."
            ) from error
        if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError(
                f"The database is not up to date, {len(missing)} migrations are missing. Run: python manage.py migrate"
            )
