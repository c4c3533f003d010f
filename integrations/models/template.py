"""The words of messages, as staff changed them."""

from typing import ClassVar

from django.db import models

from integrations.models.connection import MailTemplate


class EmailTemplate(models.Model):
    """One template of staff's own; it takes the place of the one of its name that comes with Calsync."""

    name = models.SlugField(
        unique=True, help_text="What rules call it. The name of one that comes with Calsync replaces it."
    )  # fmt: skip
    label = models.CharField(max_length=100, help_text="What people call it.")
    subject = models.TextField(help_text="One line. May name values, as may the rest.")
    text = models.TextField(help_text="The message for mail programs that show no HTML.")
    html = models.TextField(
        "HTML", blank=True,
        help_text="What stands in the frame; values are escaped. Empty: it is made from the text.",
    )  # fmt: skip
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "e-mail template"
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.label

    def as_value(self) -> MailTemplate:
        """Return it as connectors are given it."""
        return MailTemplate(
            name=self.name, label=self.label, subject=self.subject, text=self.text, html=self.html
        )

    @classmethod
    def stored(cls) -> dict[str, MailTemplate]:
        """Return all of staff's own, by name."""
        return {row.name: row.as_value() for row in cls.objects.all()}
