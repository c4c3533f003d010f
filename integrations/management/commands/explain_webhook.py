"""Say what the body of a webhook, or an answer of Calendly's API, would become; no database is needed."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from integrations.sources.base import NotUnderstood
from integrations.sources.calendly.explain import describe, read_any

_STANDARD_INPUT = "-"


class Command(BaseCommand):
    """Print a line a file; the exit status is 0 only when every one was understood."""

    help = (
        "Says what bodies of Calendly's webhooks or API answers would become, a line a file. "
        "Exits with 1 when one cannot be read or is not understood."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the files."""
        parser.add_argument(
            "files", nargs="+", metavar="FILE", help="A file with one JSON body; - reads stdin."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain each file, and leave with 1 when one was not understood."""
        understood = [self._explain(name) for name in options["files"]]
        if not all(understood):
            sys.exit(1)

    def _explain(self, name: str) -> bool:
        try:
            body = _read(name)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self._say(f"{name}: cannot be read: {reason}")
            return False
        parsed = read_any(body, now=timezone.now())
        self._say(f"{name}: {describe(parsed)}")
        return not isinstance(parsed, NotUnderstood)

    def _say(self, line: str) -> None:
        """Write one line, without what would steer the terminal or what it cannot show."""
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        line = "".join(character if character.isprintable() else " " for character in line)
        self.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding))


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == _STANDARD_INPUT else Path(name).read_bytes()
