"""`manage.py rotate_vault_keys`: seal every stored secret anew with the first of `CALSYNC_VAULT_KEYS`."""

import sys
from typing import Any

from django.db import models, transaction

from integrations import vault
from integrations.errors import ConfigurationError
from integrations.management.database import DatabaseCommand
from integrations.models import Connection, ErasureRequest, Interaction, WebhookSubscription

_SEALED: tuple[tuple[type[models.Model], str], ...] = (
    (Connection, "sealed_secrets"),
    (WebhookSubscription, "sealed_keys"),
    (ErasureRequest, "sealed_email"),
    (Connection, "sealed_session"),
    (Interaction, "sealed_reply"),
)


class Command(DatabaseCommand):
    """Reseal row by row, each under its lock: a token that is renewed meanwhile is never overwritten."""

    help = (
        "Seals every secret anew with the first key of CALSYNC_VAULT_KEYS. Harmless to repeat. Exits with 1 when a row "
        "cannot be opened with any of the keys."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Reseal everything, and leave with 1 when something could not be opened."""
        found = (name for model, column in _SEALED for name in self._reseal(model, column))
        lost = list(dict.fromkeys(found))
        if not lost:
            self.stdout.write(
                "Once web, workers and beat run with the new key in front, take the old keys away and restart them."
            )
            return
        for name in lost:
            self.stderr.write(f"No key opens {name}.")
        self.stderr.write(
            "Keep the old keys, add the missing one and repeat, or enter these secrets again."
        )
        sys.exit(1)

    def _reseal(self, model: type[models.Model], column: str) -> list[str]:
        rows = model._default_manager.exclude(**{column: ""})  # noqa: SLF001  # Django's documented name
        done, lost = 0, []
        for pk in rows.order_by("pk").values_list("pk", flat=True):
            try:
                done += _reseal_row(model, pk, column)
            except ConfigurationError:
                lost.append(f"{model._meta.verbose_name} #{pk}")  # noqa: SLF001  # Django's documented API
        words = "sessions" if column == "sealed_session" else model._meta.verbose_name_plural  # noqa: SLF001
        self.stdout.write(f"{done:>6}  {words}")
        return lost


@transaction.atomic
def _reseal_row(model: type[models.Model], pk: int, column: str) -> int:
    rows = model._default_manager.select_for_update().filter(pk=pk)  # noqa: SLF001
    row = rows.first()
    sealed: str = getattr(row, column) if row else ""
    if not sealed:
        return 0
    return rows.update(**{column: vault.reseal(sealed)})
