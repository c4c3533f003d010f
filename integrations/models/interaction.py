"""What people pressed in what we showed them at other systems, and what became of it."""

from collections.abc import Mapping
from typing import ClassVar

from django.db import models
from django.db.models import Q

from integrations import vault
from integrations.models.connection import Connection


class Interaction(models.Model):
    """One press of a button, verified by its provider's signature; carried out once, and answered.

    Nothing in it is to be trusted but that the provider sent it: what the button names, and who pressed it, are
    looked at again before anything is done.
    """

    class State(models.TextChoices):
        """received -> done | refused (this person may not, or not now) | failed (it could not be done)."""

        RECEIVED = "received", "received"
        DONE = "done", "done"
        REFUSED = "refused", "refused"
        FAILED = "failed", "failed"

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="interactions"
    )
    key = models.CharField(max_length=64, editable=False, help_text="Of this press alone.")
    action = models.CharField(max_length=32, help_text="What the button asks for.")
    value = models.JSONField(default=dict, help_text='What the button names: {"ids": [int]}.')
    chain_ref = models.BigIntegerField(
        null=True, editable=False,
        help_text="The chain that the button names; nobody has looked whether there is one.",
    )  # fmt: skip
    organization = models.CharField(
        max_length=128, blank=True, help_text="The provider's id of where it was pressed."
    )
    presser_id = models.CharField(max_length=128, blank=True, help_text="The provider's id.")
    presser_name = models.CharField(max_length=255, blank=True)
    presser_email = models.CharField(
        max_length=320, blank=True, help_text="As the provider told it when it was asked."
    )
    acted_as = models.CharField(
        max_length=150, blank=True, help_text="The user here with that e-mail address, if any."
    )
    sealed_reply = models.TextField(
        blank=True, editable=False, help_text="Where to answer; emptied once it is."
    )
    state = models.CharField(max_length=16, choices=State, default=State.RECEIVED)
    due_at = models.DateTimeField(
        null=True, blank=True, help_text="When it is looked at next; empty once it is answered."
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    answer_attempts = models.PositiveSmallIntegerField(default=0)
    result = models.TextField(blank=True, help_text="What was done, or why not, as it was told.")
    error = models.TextField(blank=True)
    received_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "press of a button"
        verbose_name_plural = "buttons pressed"
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], name="interaction_due", condition=Q(due_at__isnull=False)
            ),
            models.Index(
                fields=["chain_ref"],
                name="interaction_by_chain",
                condition=Q(chain_ref__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "key"], name="interaction_once"),
            models.CheckConstraint(
                condition=Q(state="received") ^ Q(finished_at__isnull=False),
                name="interaction_ended_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action.replace('_', ' ')} #{self.pk}"

    @property
    def ids(self) -> tuple[int, ...]:
        """Return what the button names."""
        return tuple(self.value.get("ids", ()))

    @property
    def reply(self) -> dict[str, str]:
        """Return where to answer; empty once it is.

        Raises:
            ConfigurationError: no configured key opens it.
        """
        return vault.unseal(self.sealed_reply)

    def set_reply(self, reply: Mapping[str, str]) -> None:
        """Seal where to answer into the row, without saving it."""
        self.sealed_reply = vault.seal(reply)
