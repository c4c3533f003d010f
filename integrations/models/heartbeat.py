"""Signs of life that every process can read."""

from django.db import models


class Heartbeat(models.Model):
    """When something that must happen again and again last happened."""

    class Name(models.TextChoices):
        """What beats."""

        SWEEP = "sweep", "the sweep: beat sent it and a worker ran it"
        WATCH = "watch", "the watchdog: beat sent it and a worker ran it"

    name = models.CharField(max_length=32, choices=Name, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"
