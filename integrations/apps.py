"""Django's entry for the integrations package."""

from typing import Any

from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import post_migrate, pre_migrate


class IntegrationsConfig(AppConfig):
    """Webhooks in, deliveries out."""

    name = "integrations"
    verbose_name = "Integrations"

    #: The permissions from before a migration; empty while none is under way, and in a new database.
    _known: frozenset[str] = frozenset()

    def ready(self) -> None:
        """Have permissions that a new version brings given to the groups whose role has them."""
        pre_migrate.connect(self._before, sender=self)
        post_migrate.connect(self._after, sender=self)

    def _before(self, **_: Any) -> None:
        from integrations import roles

        is_there = "auth_permission" in connection.introspection.table_names()
        self._known = frozenset(roles.known_permissions() if is_there else ())

    def _after(self, *, stdout: Any = None, verbosity: int = 1, **_: Any) -> None:
        from integrations import roles

        known, self._known = self._known, frozenset()
        new = roles.known_permissions() - known if known else ()
        for role, name in roles.grant_new(new):
            if stdout and verbosity:
                stdout.write(f"  The group {role} was given the new permission {name}.")
