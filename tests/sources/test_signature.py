import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.sources.base import SignatureOutcome, Verification
from integrations.sources.calendly.signature import HEADER, sign, verify
from integrations.sources.calendly.source import CalendlySource
from tests.sources.loading import body as fixture_body

pytestmark = pytest.mark.db_independent

KEY = "k-current-5mEzn9C"
OLD_KEY = "k-previous-Ünïcode"
NOW = datetime(2026, 11, 20, 9, 14, 5, tzinfo=UTC)
BODY = fixture_body("invitee.created-unicode")
GOOD = sign(BODY, KEY, NOW)
STAMP, DIGEST = (part.partition("=")[2] for part in GOOD.split(","))
WINDOW = 24 * 3600 + 180


def check(
    header: str | None = GOOD,
    *,
    body: bytes = BODY,
    keys: dict[str, str] | None = None,
    name: str = HEADER,
    now: datetime = NOW,
) -> Verification:
    return verify(
        body=body,
        headers={"Content-Type": "application/json"}
        | ({name: header} if header is not None else {}),
        keys={"current": KEY} if keys is None else keys,
        now=now,
        tolerance_seconds=WINDOW,
        late_seconds=180,
    )


@pytest.mark.parametrize(
    "header",
    [
        GOOD,
        f"v1={DIGEST},t={STAMP}",
        f"  t = {STAMP} ,  v1 = {DIGEST}  ",
        f"t={STAMP},v0=abc,v1={DIGEST},v2=def,nonsense,,=",
        f"t={STAMP},v1={'0' * 64},v1={DIGEST}",
        f"t={STAMP},v1={DIGEST},v1=é",
        f"t={STAMP},t={STAMP},v1={DIGEST}",
    ],
)
def test_a_right_signature_is_valid_however_its_parts_are_written(header):
    found = check(header)

    assert found.outcome is SignatureOutcome.VALID
    assert found.key_name == "current"
    assert found.signed_at == NOW


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        f"v1={DIGEST}",
        f"t={STAMP}",
        f"t={STAMP},v1=",
        f"t=,v1={DIGEST}",
        f"t=soon,v1={DIGEST}",
        f"t=-5,v1={DIGEST}",
        f"t={STAMP}.5,v1={DIGEST}",
        f"t={STAMP}000,v1={DIGEST}",
        f"t=٣٤٥,v1={DIGEST}",
        f"t={'9' * 400},v1={DIGEST}",
        f"t=1,t=2,v1={DIGEST}",
        f"t={STAMP},v0={DIGEST}",
    ],
)
def test_a_header_without_a_usable_time_and_signature_is_malformed(header):
    assert check(header).outcome is SignatureOutcome.MALFORMED


@pytest.mark.parametrize(
    "candidate",
    ["0" * 64, DIGEST[:-1], DIGEST + "0", "x", "é" * 64, "\ud800", "💥", DIGEST[::-1]],
)
def test_another_signature_of_any_length_is_wrong(candidate):
    found = check(f"t={STAMP},v1={candidate}")

    assert found.outcome is SignatureOutcome.WRONG
    assert found.key_name == ""


def test_another_key_a_changed_body_and_a_moved_time_are_wrong():
    assert check(sign(BODY, "another", NOW)).outcome is SignatureOutcome.WRONG
    assert check(body=BODY + b" ").outcome is SignatureOutcome.WRONG
    assert check(f"t={int(STAMP) + 1},v1={DIGEST}").outcome is SignatureOutcome.WRONG


def test_nothing_to_check_with_is_missing():
    assert check(None).outcome is SignatureOutcome.MISSING
    assert check(keys={}).outcome is SignatureOutcome.MISSING
    assert check(keys={"current": ""}).outcome is SignatureOutcome.MISSING


def test_while_a_key_is_rotated_both_keys_fit_and_the_fitting_one_is_named():
    keys = {"current": KEY, "previous": OLD_KEY}

    assert check(sign(BODY, KEY, NOW), keys=keys).key_name == "current"
    assert check(sign(BODY, OLD_KEY, NOW), keys=keys).key_name == "previous"


@pytest.mark.parametrize("name", [HEADER, HEADER.lower(), HEADER.upper()])
def test_the_header_is_found_in_any_case(name):
    assert check(name=name).outcome is SignatureOutcome.VALID


@pytest.mark.parametrize(
    ("age", "outcome"),
    [
        (0, SignatureOutcome.VALID),
        (180, SignatureOutcome.VALID),
        (181, SignatureOutcome.LATE),
        (WINDOW, SignatureOutcome.LATE),
        (WINDOW + 1, SignatureOutcome.TOO_OLD),
        (-180, SignatureOutcome.VALID),
        (-181, SignatureOutcome.TOO_OLD),
    ],
)
def test_the_age_of_a_right_signature_decides_what_is_said_of_it(age, outcome):
    found = check(now=NOW + timedelta(seconds=age))

    assert found.outcome is outcome
    assert found.signed_at == NOW


def test_an_old_wrong_signature_is_wrong_and_not_old():
    header = sign(BODY, "another", NOW - timedelta(days=30))

    assert check(header).outcome is SignatureOutcome.WRONG


@pytest.mark.parametrize("name", ["invitee.created-unicode", "invitee.created-escapes"])
def test_only_the_bytes_as_they_came_fit(name):
    raw = fixture_body(name)
    header = sign(raw, KEY, NOW)

    again = json.dumps(json.loads(raw), ensure_ascii="unicode" in name).encode()

    assert check(header, body=raw).outcome is SignatureOutcome.VALID
    assert check(header, body=again).outcome is SignatureOutcome.WRONG


def test_a_known_signature_is_made():
    at = datetime.fromtimestamp(1_700_000_000, UTC)

    # printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    expected = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert sign(b"{}", "key", at) == f"t=1700000000,v1={expected}"


@given(header=st.text(), body=st.binary(), keys=st.dictionaries(st.text(), st.text(), max_size=2))
def test_no_header_body_or_key_makes_it_raise(header, body, keys):
    found = check(header, body=body, keys=keys)

    assert not found.outcome.accepted


@given(body=st.binary(), key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_is_signed_is_valid(body, key):
    found = check(sign(body, key, NOW), body=body, keys={"previous": key})

    assert found == Verification(outcome=SignatureOutcome.VALID, key_name="previous", signed_at=NOW)


def test_the_source_takes_its_window_from_the_settings(settings):
    settings.WEBHOOK_TOLERANCE_SECONDS, settings.WEBHOOK_LATE_SECONDS = 100, 10
    outcomes = [
        CalendlySource()
        .verify(
            body=BODY,
            headers={HEADER: GOOD},
            keys={"current": KEY},
            now=NOW + timedelta(seconds=seconds),
        )
        .outcome
        for seconds in (5, 50, 500)
    ]

    assert outcomes == [SignatureOutcome.VALID, SignatureOutcome.LATE, SignatureOutcome.TOO_OLD]
