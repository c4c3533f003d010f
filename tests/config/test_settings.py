"""The settings, each case in a process of its own: what production refuses, what development makes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

pytestmark = pytest.mark.db_independent

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "CALSYNC_ENV": "production",
    "SECRET_KEY": "k3-" * 20 + "abcdefghijklm",
    "CALSYNC_VAULT_KEYS": Fernet.generate_key().decode(),
    "DATABASE_URL": "postgres://calsync:pw@db.example.com/calsync",
    "REDIS_URL": "redis://redis.example.com:6379/0",
    "ALLOWED_HOSTS": "calsync.example.com",
    "CALSYNC_PUBLIC_URL": "https://calsync.example.com",
}
SHOW = """
import json
from django.conf import settings
names = [{names}]
print(json.dumps({{name: getattr(settings, name, None) for name in names}}, default=str))
"""


def run(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    marks = {"PYTEST_VERSION": pytest.__version__, "DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=kept | marks | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def show(*names: str, **environment: str) -> dict[str, Any]:
    result = run(["-c", SHOW.format(names=", ".join(map(repr, names)))], environment)
    assert result.returncode == 0, result.stderr
    shown: dict[str, Any] = json.loads(result.stdout)
    return shown


def refusal(**environment: str) -> str:
    result = run(["manage.py", "check"], environment)
    assert result.returncode != 0
    assert "ImproperlyConfigured" in result.stderr
    return result.stderr


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name != "CALSYNC_ENV"])
@pytest.mark.parametrize("value", [None, " "], ids=["unset", "blank"])
def test_production_names_a_missing_secret_and_how_to_make_it(name, value):
    environment = {key: text for key, text in PRODUCTION.items() if key != name}
    if value is not None:
        environment[name] = value

    assert re.search(rf"^  {name}: \S+", refusal(**environment), re.MULTILINE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"DEBUG": "true"}, "DEBUG"),
        ({"CALSYNC_ENV": "staging"}, "development or production"),
        ({"CALSYNC_VAULT_KEYS": "short"}, "key 1 is not a Fernet key"),
        ({"CALSYNC_PUBLIC_URL": "http://calsync.example.com"}, "CALSYNC_PUBLIC_URL"),
        ({"CALENDLY_API_URL": "http://api.calendly.com"}, "CALENDLY_API_URL"),
        ({"CALENDLY_AUTH_URL": "https://auth.calendly.com.evil.example"}, "CALENDLY_AUTH_URL"),
        ({"SALESFORCE_LOGIN_URL": "https://evilsalesforce.com"}, "SALESFORCE_LOGIN_URL"),
        ({"SLACK_API_URL": "https://127.0.0.1:9000/api/"}, "SLACK_API_URL"),
        ({"CALSYNC_OUTBOUND_ALLOWED_HOSTS": "crm.example.com,localhost"}, "localhost"),
    ],
)
def test_production_refuses(change, message):
    assert message in refusal(**(PRODUCTION | change))


def test_a_refused_vault_key_is_not_printed():
    assert "hunter2" not in refusal(**(PRODUCTION | {"CALSYNC_VAULT_KEYS": "hunter2"}))


def test_production_takes_a_listed_extra_host():
    shown = show(
        "SALESFORCE_LOGIN_URL",
        "OUTBOUND_ALLOWED_HOSTS",
        **PRODUCTION,
        CALSYNC_OUTBOUND_ALLOWED_HOSTS="crm.example.com",
        SALESFORCE_LOGIN_URL="https://crm.example.com",
    )

    assert shown["SALESFORCE_LOGIN_URL"] == "https://crm.example.com"
    assert "crm.example.com" in shown["OUTBOUND_ALLOWED_HOSTS"]
    assert "127.0.0.1" not in shown["OUTBOUND_ALLOWED_HOSTS"]


def test_production_is_secure_but_never_redirects_a_webhook():
    names = ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "APPEND_SLASH"]
    shown = show(*names, "SECURE_REDIRECT_EXEMPT", **PRODUCTION)

    assert [shown[name] for name in names] == [True, True, True, False]
    assert any(re.search(rule, "webhooks/calendly/1") for rule in shown["SECURE_REDIRECT_EXEMPT"])


def test_a_proxys_word_on_tls_is_believed_only_when_asked():
    assert show("SECURE_PROXY_SSL_HEADER", **PRODUCTION)["SECURE_PROXY_SSL_HEADER"] is None

    shown = show("SECURE_PROXY_SSL_HEADER", **PRODUCTION, CALSYNC_TRUST_PROXY="true")
    assert shown["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]


def test_development_makes_its_keys_once_and_keeps_them(tmp_path):
    first = show("SECRET_KEY", "CALSYNC_VAULT_KEYS", CALSYNC_VAR_DIR=str(tmp_path))
    second = show("SECRET_KEY", "CALSYNC_VAULT_KEYS", CALSYNC_VAR_DIR=str(tmp_path))

    assert first == second
    for name in ("secret_key", "vault_key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_processes_that_start_together_agree_on_the_key(tmp_path):
    script = SHOW.format(names="'SECRET_KEY'")
    environment = os.environ | {
        "CALSYNC_VAR_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]

    assert len({process.communicate(timeout=60)[0] for process in processes}) == 1


def test_sqlite_is_opened_for_many_writers(tmp_path):
    shown = show("DATABASES", CALSYNC_VAR_DIR=str(tmp_path))

    options = shown["DATABASES"]["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in options["init_command"]


def test_postgresql_connections_persist():
    database = show("DATABASES", **PRODUCTION)["DATABASES"]["default"]

    assert database["CONN_MAX_AGE"] == 600
    assert database["CONN_HEALTH_CHECKS"] is False


def test_a_log_line_of_django_does_not_carry_the_request():
    script = (
        "import django, logging; django.setup(); "
        "logging.getLogger('django.request').warning('Gone', extra={'request': 'code=secret', 'status_code': 410})"
    )
    result = run(["-c", script], PRODUCTION)

    line = json.loads(result.stdout)
    assert line["status_code"] == 410
    assert "secret" not in result.stdout
