"""`manage.py email_bounce < message`: note a bounce at the delivery that it is about."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from integrations import bounces
from integrations.bounces import Noted

#: Codes that mail servers know. Source: sysexits.h
_DATA_ERROR, _TRY_LATER = 65, 75
_CODES = {
    Noted.UNREADABLE: _DATA_ERROR,
    Noted.UNKNOWN: _DATA_ERROR,
    Noted.BUSY: _TRY_LATER,
}
_MOST_BYTES = 5_000_000


class Command(BaseCommand):
    """Read one message from standard input, as a mail server's pipe gives it."""

    help = (
        "Reads a bounce (RFC 3464) from standard input and shows it at its delivery. Exits with 0 when it was noted or is "
        "harmless, 65 when it is no bounce of ours, 75 when it should be tried again."
    )
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Note the bounce, say what became of it, and leave with a code that a mail server knows."""
        raw = sys.stdin.buffer.read(_MOST_BYTES)
        try:
            noted = bounces.receive(raw, now=timezone.now())
        except (OperationalError, InterfaceError):
            self.stderr.write("The database does not answer. Try again later.")
            sys.exit(_TRY_LATER)
        code = _CODES.get(noted, 0)
        (self.stderr if code else self.stdout).write(noted.value)
        if code:
            sys.exit(code)
