"""The manual's example is a connector: put where it says, all that holds for connectors holds for it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.db_independent

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docs" / "adding-a-connector.md"
#: What is copied: everything that the contract suite and the rules read.
COPIED = ("bookings", "config", "integrations", "templates", "tests/connectors", "tests/conftest.py", "manage.py", "pyproject.toml")  # fmt: skip
FILE = re.compile(r"^`([\w/.]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINE = re.compile(
    r"^`([\w/.]+)`, a line in `(\w+)`:\n\n```python\n(.*?)^```$"
    r"(?:\n\nand its import:\n\n```python\n(.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the example in it, and nothing else changed."""
    place = tmp_path_factory.mktemp("installed")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, place / name)
    manual = MANUAL.read_text()
    for name, content in FILE.findall(manual):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(content)
    for name, where, line, imported in LINE.findall(manual):
        _add(place / name, where, line, imported)
    return place


@pytest.fixture(scope="module")
def asked(installed: Path) -> subprocess.CompletedProcess[str]:
    """What Django's migration check and the contract suite say of it; asked in one process, for each is slow to start."""
    return run(installed, "-c", ASK)


def _add(path: Path, where: str, line: str, imported: str) -> None:
    before = path.read_text()
    after = re.sub(rf"^({where}\b.*?= {{)", rf"\1\n{line}", before, count=1, flags=re.MULTILINE)
    assert after != before, f"{path.name} has no {where}."
    if imported:
        after = after.replace("from integrations.sandbox.", f"{imported}from integrations.sandbox.", 1)  # fmt: skip
    path.write_text(after)


def run(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "CALSYNC_", "COV_")) and name != "DATABASE_URL"
    }
    environment |= {"CALSYNC_VAR_DIR": str(place / "var"), "PYTHONPATH": str(place)}
    return subprocess.run(  # our own commands
        [sys.executable, *command], cwd=place, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_the_manual_names_what_a_connector_is_made_of():
    manual = MANUAL.read_text()

    assert [name for name, _ in FILE.findall(manual)] == [
        "integrations/connectors/teamboard/__init__.py",
        "integrations/connectors/teamboard/connector.py",
        "integrations/sandbox/teamboard.py",
        "tests/connectors/harnesses/teamboard.py",
    ]
    assert [where for _, where, _, _ in LINE.findall(manual)] == ["CONNECTORS", "FAKES"]


def test_the_contract_suite_passes_over_it(asked):
    assert asked.returncode == 0, asked.stdout[-6000:]
    passed = re.search(r"(\d+) passed", asked.stdout)
    assert passed
    assert int(passed[1]) >= 25


def test_it_needs_no_migration(asked):
    assert "No changes detected" in asked.stdout, asked.stdout[:3000] + asked.stderr


def test_it_passes_the_import_rules_as_they_are(installed):
    done = run(installed, "-c", LINT)

    assert done.returncode == 0, done.stdout[-4000:]


def test_a_look_at_another_connector_is_found_by_the_same_rules(installed):
    spy = installed / "integrations" / "connectors" / "teamboard" / "spy.py"
    spy.write_text("from integrations.connectors.slack.options import SlackOptions\n")

    done = run(installed, "-c", LINT)

    spy.unlink()
    assert done.returncode == 1
    assert "integrations.connectors.teamboard.spy -> integrations.connectors.slack" in done.stdout


ASK = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django, pytest
from django.core.management import call_command
django.setup()
call_command("makemigrations", dry_run=True)
sys.exit(pytest.main(["tests/connectors/test_contract.py", "-k", "teamboard", "-q"]))
"""
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
