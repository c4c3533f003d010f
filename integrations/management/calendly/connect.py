"""`manage.py calendly connect NAME`: connect an account with a personal access token, or by OAuth."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations import connecting
from integrations.management.calendly.naming import PROVIDER, add_name
from integrations.models import Connection

NAME = "connect"
HELP = (
    "Connect a Calendly account, or connect one again. Asks for a personal access token, or reads it from standard "
    "input; with --oauth, gives an address to open in a browser."
)


def add_arguments(parser: CommandParser) -> None:
    """Take the connection's name, and how to connect."""
    add_name(parser)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--token", help="A personal access token; other users of this machine may see it here.")  # fmt: skip
    way.add_argument("--oauth", action="store_true", help="Grant access in a browser.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Connect, say as whom, and what was not granted; a new connection that fails is not kept."""
    token = "" if options["oauth"] else _token(options)
    with _found_or_made(options["name"]) as connection:
        if options["oauth"]:
            _by_oauth(command, connection)
        else:
            connecting.adopt_token(connection, token=token, now=timezone.now())
    connection.refresh_from_db()
    profile = connection.profile
    command.stdout.write(f"“{connection}” is connected as {profile['user_name']}.")
    if missing := connecting.missing_scopes(connection):
        command.stderr.write(f"Not granted: {', '.join(missing)}. Connect again and allow all.")


def _token(options: dict[str, Any]) -> str:
    given: str = options["token"] or ""
    if not given:
        is_person = sys.stdin.isatty()
        given = getpass("Personal access token: ") if is_person else sys.stdin.readline()
    if not given.strip():
        raise CommandError("No token was given.")
    return given.strip()


@contextmanager
def _found_or_made(name: str) -> Iterator[Connection]:
    """Give the connection of this name; one that had to be made goes when connecting fails."""
    try:
        Connection._meta.get_field("name").clean(name, None)  # noqa: SLF001  # Django's documented API
    except ValidationError as error:
        raise CommandError(f"This name cannot be used: {' '.join(error.messages)}") from error
    connection, is_new = Connection.objects.get_or_create(name=name, defaults={"provider": PROVIDER})  # fmt: skip
    if connection.provider != PROVIDER:
        raise CommandError(f"“{name}” is a connection to {connection.provider}. Choose another name.")  # fmt: skip
    try:
        yield connection
    except BaseException:
        if is_new:
            connection.delete()
        raise


def _by_oauth(command: BaseCommand, connection: Connection) -> None:
    """Let a person grant access in any browser, and take the address that it ended at."""
    session: dict[str, Any] = {}
    url = connecting.begin(connection, session=session, now=timezone.now())
    command.stdout.write(f"Open this address within ten minutes, and allow everything:\n\n{url}\n")
    command.stdout.write("Then paste the address that the browser ends at, and press Enter:")
    command.stdout.flush()
    pasted = sys.stdin.readline().strip()
    if not pasted:
        raise CommandError("No address was pasted.")
    params = dict(parse_qsl(urlsplit(pasted).query))
    connecting.complete(session=session, params=params, now=timezone.now())
