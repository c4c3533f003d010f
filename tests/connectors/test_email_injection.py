"""Strangers' words in a message: no header of theirs, no template, no markup, no link, in every value there is."""

import pytest

from bookings.meeting import Person
from bookings.snapshots import Answer
from integrations.connectors.email import addresses, layout
from integrations.connectors.email.rendering import EXAMPLE_RECIPIENT, fill, web_address
from integrations.connectors.email.shipped import SHIPPED
from integrations.connectors.values import Facts
from integrations.models import MailTemplate
from tests.connectors.builders import make_meeting
from tests.connectors.mails import mails, parsed

#: A template that names everything a stranger can write.
EVERYTHING = (
    "{{ invitee.name }}|{{ invitee.email }}|{{ invitee.company }}|{{ event_type.name }}|{{ booking.location }}|{{ booking.join_url }}"
    "|{{ booking.cancel_reason }}|{{ booking.canceled_by }}|{{ host.name }}|{{ utm.source }}|{{ recipient.name }}"
    "{% for item in answers %}|{{ item.question }}|{{ item.answer }}{% endfor %}{% for guest in guests %}|{{ guest }}{% endfor %}"
)
ATTACKS = {
    "crlf": "x\r\nBcc: evil@x.example\r\n\r\nbody",
    "lf": "x\nBcc: evil@x.example",
    "cr": "x\rBcc: evil@x.example",
    "vertical tab": "x\x0bBcc: evil@x.example\x0c",
    "unicode lines": "x\u2028Bcc: evil@x.example\u2029\x85Cc: y@x.example",
    "encoded word": "=?utf-8?q?x=0d=0aBcc:_evil@x.example?=",
    "quotes": 'x" <evil@x.example>, "y',
    "directions": "moc.live\u202e\u2066evil\u2069",
    "half a pair": "x\ud83d",
    "nul": "x\x00y",
    "template": "{{ recipient.email }}{% for a in answers %}{% include 'x' %}{% endfor %}{{ 7|add:7 }}",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": "x' onmouseover='alert(1)\" onfocus=\"alert(1)",
    "comment": "--><style>*{display:none}</style><!--",
    "marks": "\ufdd0evil\ufdd1",
    "long": "x" * 40_000,
}
ADDRESS = "ida@customer.example"


def attacked(text):
    """A meeting with the text wherever somebody may write one."""
    return make_meeting(
        name=text, invitee_name=text, location_text=text, join_url=text, cancel_reason=text, canceled_by=text,
        hosts=(Person(name=text, email="hannah@calsync.example", timezone=text[:50]),),
        guests=(text, f"g@x.example\n{text}"), timezone=text[:50], cancel_url=text, reschedule_url=text,
        answers=(Answer(question=text, answer=text), Answer(question="Company", answer=text)),
        tracking={"utm_source": text},
    )  # fmt: skip


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_whatever_a_stranger_writes_is_text(to_email, text):
    own = MailTemplate(
        name="all", label="All", subject=EVERYTHING, text=EVERYTHING, html=f"<p>{EVERYTHING}</p>"
    )
    to_email.templates = {"all": own}
    to_email.options = {"template": "all", "to": ["invitee", "guests", "answer:Company"]}

    to_email.deliver(attacked(text))

    (mail,) = mails(to_email)
    message = parsed(mail)
    assert mail["rcpt_to"] == [ADDRESS]
    assert message["Bcc"] is None
    assert message["Cc"] is None
    assert [one.addr_spec for one in message["To"].addresses] == [ADDRESS]
    assert sorted(message.keys()) == sorted(
        ["Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"]
    )  # fmt: skip
    assert not message.defects
    assert "<script>" not in mail["html"]
    assert "<img" not in mail["html"]
    assert mail["html"].count("<style>") == 1
    assert not {"\u202e", "\u2066", "\x00", "\r"} & set(mail["text"].replace("\r\n", "\n"))
    if text.startswith("{{"):
        assert "{{ recipient.email }}" in mail["text"]
        assert "{{ recipient.email }}" in mail["html"]


@pytest.mark.parametrize("name", sorted(SHIPPED))
@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_no_shipped_template_lets_a_strangers_words_act(name, text):
    content = fill(
        SHIPPED[name], Facts(meeting=attacked(text)), EXAMPLE_RECIPIENT, options={}, sender=text
    )

    assert content.subject == addresses.line(content.subject)
    assert len(content.subject) <= 200
    assert "<script>" not in content.html
    assert "<img" not in content.html
    assert "onmouseover='" not in content.html
    content.html.encode()
    content.text.encode()


@pytest.mark.parametrize(
    ("given", "followed"),
    [
        ("https://meet.example/j/1?a=b&c=d", True), ("HTTP://meet.example", True), ("javascript:alert(1)", False),
        ("data:text/html,x", False), ("https://x.example/\r\nBcc:", False), ("https://x.example/ onclick=x", False),
        ('https://x.example/"onclick="x', False), ("https://x.example/<script>", False), (" https://x.example ", True),
        ("//x.example", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_only_a_web_address_can_be_followed(given, followed):
    assert bool(web_address(given)) == followed


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("ida@customer.example", "ida@customer.example"), (" ida@customer.example ", "ida@customer.example"),
        ("ida+tag@customer.example", "ida+tag@customer.example"), ("ida@bücher.example", "ida@xn--bcher-kva.example"),
        ("ida", ""), ("ida@", ""), ("@x.example", ""), ("a@b@c.example", ""), ("Ida <ida@x.example>", ""),
        ("ida@x.example, b@x.example", ""), ("ida@x.example\nBcc: b@x.example", ""), ("ida@x.example\x00", ""),
        ("\u212aate@x.example", ""), ("i\u0131da@x.example", ""), ("ida@x.exam\u202eple", ""), ("ida@x..example", ""),
        ("ida@" + "x" * 300 + ".example", ""), ("ida@[127.0.0.1]", "ida@[127.0.0.1]"), ("a b@x.example", ""),
    ],
)  # fmt: skip
def test_only_an_address_is_written_to(given, sent):
    assert addresses.address(given) == sent


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Ida\nInvitee", "Ida Invitee"), ("Ida\u202egnp.exe", "Idagnp.exe"), ("nul\x00 bell\x07", "nul bell"),
        ("half\ud83d", "half"), ("line\u2028separator", "line separator"), ("👩\u200d💻 Zoë", "👩\u200d💻 Zoë"),
        ("\u200b", ""), ("x" * 300, "x" * 200), ("a\u00a0b", "a b"),
    ],
)  # fmt: skip
def test_a_line_is_what_people_see(given, shown):
    assert addresses.line(given) == shown


def test_html_made_from_a_text_links_our_own_addresses_alone():
    made = layout.from_text(
        "Join https://meet.example/j?a=1&b=2\nor http://evil.example\n\n<b>Bye</b>",
        links=["https://meet.example/j?a=1&b=2", "", "https://meet.example/j"],
    )

    assert made == (
        '<p>Join <a href="https://meet.example/j?a=1&amp;b=2">https://meet.example/j?a=1&amp;b=2</a>\n'
        "or http://evil.example</p><p>&lt;b&gt;Bye&lt;/b&gt;</p>"
    )
