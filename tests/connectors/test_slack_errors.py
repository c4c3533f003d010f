import ssl
from urllib.error import URLError

import pytest

from integrations.connectors.slack.client import no_answer
from integrations.connectors.slack.errors import VERDICTS, Answer, as_error
from integrations.connectors.slack.hook_errors import HOOK_VERDICTS, as_hook_error
from integrations.errors import (
    ConfigurationError,
    DeadTargetError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)

EXPECTED = {
    TemporaryError: """internal_error fatal_error service_unavailable request_timeout team_added_to_org
        unreadable""",
    ThrottledError: "ratelimited rate_limited message_limit_exceeded",
    ConfigurationError: """not_authed invalid_auth account_inactive token_revoked token_expired no_permission
        missing_scope not_allowed_token_type access_denied org_login_required ekm_access_denied""",
    DeadTargetError: "channel_not_found is_archived",
    RuleError: """not_in_channel user_not_found users_not_found user_disabled restricted_action
        restricted_action_read_only_channel restricted_action_thread_only_channel
        restricted_action_non_threadable_channel method_not_supported_for_channel_type""",
    PermanentError: """msg_too_long msg_blocks_too_long invalid_blocks invalid_blocks_format
        invalid_metadata_format no_text too_many_attachments invalid_arguments invalid_arg_name invalid_charset
        invalid_json json_not_object message_not_found cant_update_message edit_window_closed
        thread_not_found""",
}
CODES = [(code, error) for error, codes in EXPECTED.items() for code in codes.split()]


def refused(code, *, status=200, **more):
    return Answer(
        method="chat.postMessage", status=status, body={"ok": False, "error": code}, **more
    )


def test_the_table_holds_exactly_the_codes_that_are_tested():
    assert {code for code, _ in CODES} == set(VERDICTS)


@pytest.mark.parametrize(("code", "expected"), CODES)
def test_a_code_says_what_happens_next_and_what_to_do(code, expected):
    error = as_error(refused(code))

    assert type(error) is expected
    assert error.hint


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refused("brand_new_code"), TemporaryError),
        (refused("restricted_action_of_tomorrow"), RuleError),
        (refused("Received a response in a non-JSON format: <html>", status=503), TemporaryError),
        (Answer(method="chat.update", status=502), TemporaryError),
        (Answer(method="chat.update", status=429, retry_after=30), ThrottledError),
    ],
)
def test_what_is_unknown_or_unreadable_is_tried_again(answer, expected):
    assert type(as_error(answer)) is expected


@pytest.mark.parametrize(
    ("answer", "ambiguous"),
    [
        (refused("fatal_error", write=True), True),
        (refused("internal_error", status=500, write=True), True),
        (refused("Received <html>", status=503, write=True), True),
        (refused("fatal_error"), False),
        (refused("ratelimited", status=429, write=True), False),
        (refused("brand_new_code", write=True), False),
    ],
)
def test_a_write_that_may_have_happened_is_ambiguous(answer, ambiguous):
    error = as_error(answer)

    assert isinstance(error, TemporaryError)
    assert error.ambiguous is ambiguous


def test_the_error_repeats_what_slack_explains():
    layout = Answer(
        method="chat.postMessage", status=200,
        body={"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": ["[ERROR] x"]}},
    )  # fmt: skip
    scope = Answer(
        method="chat.postMessage", status=200,
        body={"ok": False, "error": "missing_scope", "needed": "chat:write"},
    )  # fmt: skip

    assert str(as_error(layout)).endswith("with invalid_blocks ([ERROR] x)")
    assert str(as_error(scope)).endswith("with missing_scope (needed: chat:write)")


@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        (refused("brand_new_code"), 3),
        (refused("internal_error"), None),
        (refused("Received <html>", status=503), None),
        (Answer(method="chat.postMessage", status=503, body={"ok": False, "error": "new"}), None),
        (refused("ratelimited", status=429), None),
    ],
)
def test_only_a_code_that_nobody_knows_is_worth_but_three_tries(answer, tries):
    error = as_error(answer)

    assert isinstance(error, TemporaryError)
    assert error.tries == tries
    assert error.hint


HOOK_EXPECTED = {
    TemporaryError: "fatal_error internal_error rollup_error service_unavailable unreadable",
    ThrottledError: "rate_limited ratelimited",
    ConfigurationError: """no_service no_service_id no_active_hooks no_team team_disabled invalid_token user_not_found
        channel_is_archived channel_not_found action_prohibited posting_to_general_channel_denied""",
    PermanentError: """invalid_payload invalid_blocks invalid_blocks_format no_text too_many_attachments
        missing_text_or_fallback_or_attachments""",
}
HOOK_CODES = [(code, error) for error, codes in HOOK_EXPECTED.items() for code in codes.split()]


def test_the_webhooks_table_holds_exactly_the_words_that_are_tested():
    assert {code for code, _ in HOOK_CODES} == set(HOOK_VERDICTS)


@pytest.mark.parametrize(("code", "expected"), HOOK_CODES)
def test_a_webhooks_word_says_what_happens_next_and_what_to_do(code, expected):
    error = as_hook_error(refused(code, status=400, write=True))

    assert type(error) is expected
    assert error.hint


def test_a_webhooks_word_that_nobody_knows_is_worth_three_tries():
    error = as_hook_error(refused("brand_new_word", status=403, write=True))

    assert isinstance(error, TemporaryError)
    assert error.tries == 3
    assert not error.ambiguous


@pytest.mark.parametrize(
    ("error", "is_in_doubt"),
    [(ssl.SSLError(1, "bad record mac"), True), (URLError(ssl.SSLError(1, "no handshake")), False)],
)
def test_a_message_is_in_doubt_where_tls_broke_after_it_was_sent(error, is_in_doubt):
    assert no_answer("chat.postMessage", error, write=True).ambiguous is is_in_doubt
