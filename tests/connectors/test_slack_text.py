import pytest

from integrations.connectors.slack import text


@pytest.mark.parametrize(
    ("given", "escaped"),
    [
        ("<!channel>", "&lt;!channel&gt;"),
        ("<!here>", "&lt;!here&gt;"),
        ("<@U123>", "&lt;@U123&gt;"),
        ("<!subteam^S1>", "&lt;!subteam^S1&gt;"),
        ("<http://evil.example|Your bank>", "&lt;http://evil.example|Your bank&gt;"),
        ("Q&A", "Q&amp;A"),
        ("&lt;!channel&gt;", "&amp;lt;!channel&amp;gt;"),
        ("*bold* _it_ ~no~", "*bold* _it_ ~no~"),
    ],
)
def test_escaped_text_pings_nobody_and_hides_no_link(given, escaped):
    assert text.escape(given) == escaped


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("Ida\nInvitee", "Ida Invitee"),
        ("  a \t\r\n b  ", "a b"),
        ("Ida\u202egnp.exe", "Idagnp.exe"),
        ("a\u2066b\u2069c\u200fd", "abcd"),
        ("nul\x00 bell\x07", "nul bell"),
        ("half\ud83d", "half"),
        ("line\u2028separator", "line separator"),
        ("👩‍💻 Zoë", "👩‍💻 Zoë"),
        ("\u200b", ""),
    ],
)
def test_cleaned_text_is_one_visible_line(given, cleaned):
    assert text.clean(given, limit=100) == cleaned


def test_a_cut_shows_and_never_leaves_half_a_character():
    assert text.cut("a" * 10, limit=10) == "a" * 10
    assert text.cut("a" * 11, limit=10) == "a" * 9 + "…"
    assert text.cut("🙂🙂🙂", limit=4) == "🙂…"


@pytest.mark.parametrize(
    ("email", "masked"),
    [
        ("jane@example.com", "j***@example.com"),
        ("j@example.com", "j***@example.com"),
        ("@example.com", "***@example.com"),
        ("no address", "***"),
        ("", ""),
    ],
)
def test_a_masked_address_cannot_be_written_to(email, masked):
    assert text.mask(email) == masked


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://zoom.example/j/1?a=1&b=2", "<https://zoom.example/j/1?a=1&amp;b=2|Join>"),
        ("https://x.example/a|b>c d", "<https://x.example/a%7Cb&gt;c%20d|Join>"),
        ("javascript:alert(1)", ""),
        ("tel:+49123", ""),
        ("http://[", ""),
        ("https://x.example/" + "a" * 3_000, ""),
        ("", ""),
    ],
)
def test_only_a_web_address_becomes_a_link(url, expected):
    assert text.link(url, "Join") == expected
