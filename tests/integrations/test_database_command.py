"""Commands on a database that cannot be used yet: one sentence, and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str, database: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DATABASE_URL": database}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments",
    [("calendly", "status"), ("backfill",), ("erase", "ann@example.com"), ("rotate_vault_keys",)],
)
def test_an_empty_database_is_to_be_migrated(tmp_path, arguments):
    ended = run(*arguments, database=f"sqlite:///{tmp_path}/empty.sqlite3")

    assert ended.returncode == 1
    assert "Run: python manage.py migrate" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_that_is_not_there_is_to_be_started():
    ended = run("calendly", "status", database="postgres://nobody@127.0.0.1:1/none")

    assert ended.returncode == 1
    assert "The database does not answer. Start it, or mend DATABASE_URL." in ended.stderr
    assert "Traceback" not in ended.stderr
