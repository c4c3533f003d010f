"""Which values of a meeting fill which fields over there, as staff set it."""

from typing import ClassVar

from django.db import models

from integrations.models.connection import Connection


class FieldMapping(models.Model):
    """One field of one object over there, and where its value comes from."""

    class WriteMode(models.TextChoices):
        """When the field is written."""

        IF_EMPTY = "if_empty", "if it is empty"
        ALWAYS = "always", "always"
        ON_CREATE = "on_create", "only when the record is created"
        APPEND = "append", "append to what is there"

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="field_mappings"
    )
    object_type = models.CharField(max_length=64, help_text="Lead, Contact, Event, Case, ...")
    field = models.CharField(max_length=128, help_text="The field's API name.")
    source = models.CharField(
        max_length=64, help_text="Name of the value; see integrations.connectors.values."
    )
    argument = models.TextField(
        blank=True, help_text="What the source needs: the question, the constant, the template."
    )
    write_mode = models.CharField(max_length=16, choices=WriteMode, default=WriteMode.IF_EMPTY)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["object_type", "position", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "object_type", "field"], name="fieldmapping_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.object_type}.{self.field}"
