"""Requests to erase a person's data, and what was found of them."""

from typing import ClassVar

from django.db import models

from integrations import vault


class ErasureRequest(models.Model):
    """One person to be erased by e-mail address; the address itself is forgotten once that is done."""

    class State(models.TextChoices):
        """waiting -> done; a crash in between leaves it waiting, and doing it again is harmless."""

        WAITING = "waiting", "waiting"
        DONE = "done", "done"

    sealed_email = models.TextField(blank=True, editable=False)
    digest = models.CharField(max_length=64, help_text="Of the address; see bookings.erasure.")
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    found = models.JSONField(
        default=dict, blank=True, help_text='What was erased, counted: {"invitees": 3, ...}.'
    )
    remote = models.JSONField(
        default=list,
        blank=True,
        help_text="What still exists at other systems: "
        '[{"connection": str, "object_type": str, "remote_id": str, "url": str}].',
    )
    requested_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"erasure #{self.pk}"

    @property
    def email(self) -> str:
        """Return the address, or an empty text once the erasure is done.

        Raises:
            ConfigurationError: no configured key opens it.
        """
        return vault.unseal(self.sealed_email).get("email", "")

    def set_email(self, email: str) -> None:
        """Seal the address into the row, without saving it."""
        self.sealed_email = vault.seal({"email": email})
