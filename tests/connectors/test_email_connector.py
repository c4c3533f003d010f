"""Messages by e-mail against the sandbox's mail server: to whom, once, and what a server may say to that."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bookings.meeting import Person
from bookings.snapshots import Answer
from integrations.connectors.base import Applied, Notice, NoticeLine, NoticeSection, Send, Skip
from integrations.errors import (
    BusyTargetError,
    ConfigurationError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import MailTemplate
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.mails import mails, parsed, recipients

HOST, INVITEE = "hannah@calsync.example", "ida@customer.example"


def test_a_message_has_text_html_and_a_head_of_ours(to_email):
    to_email.settings["reply_to"] = "answers@company.example"

    to_email.deliver()

    (mail,) = mails(to_email)
    message = parsed(mail)
    parts = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert parts == ["text/plain", "text/html"]
    assert mail["mail_from"] == "meetings@company.example"
    assert message["From"] == "Company meetings <meetings@company.example>"
    assert message["To"] == f"Hannah Host <{HOST}>"
    assert message["Reply-To"] == "answers@company.example"
    assert message["Subject"] == "Booked: Product demo with Ida Invitee"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@company.example>")
    assert message["Date"].datetime
    assert "Customer Ltd" in mail["text"]
    assert "<dd>Customer Ltd</dd>" in mail["html"]


def test_everybody_gets_a_message_of_their_own(to_email):
    to_email.options = {
        "template": "confirmation",
        "to": ["host", "invitee", "guests", "desk@company.example"],
        "cc": ["chief@company.example", "host"],
    }
    meeting = make_meeting(guests=("gus@customer.example", "ida@CUSTOMER.example"))

    to_email.deliver(meeting)

    assert recipients(to_email) == [
        [HOST, "chief@company.example"], [INVITEE], ["gus@customer.example"], ["desk@company.example"],
    ]  # fmt: skip
    assert [parsed(mail)["To"].addresses[0].addr_spec for mail in mails(to_email)] == [
        HOST, INVITEE, "gus@customer.example", "desk@company.example",
    ]  # fmt: skip
    assert "10:00" in mails(to_email)[1]["text"]
    assert "(Europe/Berlin)" in mails(to_email)[1]["text"]
    assert "9:00" in mails(to_email)[0]["text"]


def test_an_answer_is_written_to_only_where_the_rule_names_its_question(to_email):
    answers = (
        Answer(question="Hiring manager", answer=" Max@Company.example "),
        Answer(question="Friend", answer="friend@elsewhere.example"),
    )
    to_email.options = {"template": "hiring_manager", "to": ["answer:hiring  manager"]}

    to_email.deliver(make_meeting(answers=answers))

    assert recipients(to_email) == [["Max@Company.example"]]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("ask me", "is no e-mail address"),
        ("a@b.example, c@d.example", "is no e-mail address"),
        ("a@b.example\nBcc: c@d.example", "is no e-mail address"),
        ("", "was not given"),
    ],
)
def test_an_answer_that_is_no_address_is_not_written_to(to_email, answer, reason):
    to_email.options = {"template": "hiring_manager", "to": ["answer:Manager"]}

    decision = to_email.plan(make_meeting(answers=(Answer(question="Manager", answer=answer),)))

    assert isinstance(decision, Skip)
    assert decision.reason == "Nobody is left to write to."
    assert reason in decision.steps[0].detail or "was not given" in decision.steps[0].detail


@pytest.mark.parametrize(
    ("kind", "meeting", "reason"),
    [
        ("booked", canceled(make_meeting()), "The meeting was canceled meanwhile."),
        ("rescheduled", canceled(make_meeting()), "The meeting was canceled meanwhile."),
        ("starting", canceled(make_meeting()), "The meeting was canceled meanwhile."),
        ("canceled", make_meeting(), "The meeting takes place after all."),
        ("no_show", make_meeting(), "The no-show was taken back meanwhile."),
        ("no_show_removed", make_meeting(is_no_show=True), "The invitee is marked as a no-show again."),
        ("booked", make_meeting(hosts=()), "Nobody is left to write to."),
    ],
)  # fmt: skip
def test_what_is_no_longer_so_is_not_told(to_email, kind, meeting, reason):
    decision = to_email.plan(meeting, kind=kind)

    assert isinstance(decision, Skip)
    assert decision.reason == reason


def test_a_message_is_sent_once_for_an_event_and_rule(to_email):
    to_email.deliver()
    again = to_email.deliver()
    other_rule = to_email.deliver(rule_id=2)
    other_event = to_email.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)

    assert again == Skip(reason="already sent")
    assert isinstance(other_rule, Applied)
    assert isinstance(other_event, Applied)
    assert len({mail["message_id"] for mail in mails(to_email)}) == 3


def test_a_lost_answer_is_repeated_under_the_same_name_for_who_has_it_not(to_email):
    to_email.options["to"] = ["invitee", "host"]
    to_email.break_request("drop_after", match={"method": "DATA", "path_contains": HOST})

    with pytest.raises(TemporaryError) as caught:
        to_email.deliver()
    to_email.deliver(look_first=True)

    assert caught.value.ambiguous
    assert [step["name"] for step in caught.value.steps] == ["sent"]
    assert recipients(to_email) == [[INVITEE], [HOST], [HOST]]
    first, second = (mail["message_id"] for mail in mails(to_email)[1:])
    assert first == second


def test_who_was_accepted_is_not_mailed_again_and_who_was_refused_is_told(to_email):
    to_email.options |= {"to": ["host", "invitee"], "cc": ["chief@company.example"]}
    to_email.break_request("error", match={"method": "RCPT", "path_contains": "chief@"}, status=550)

    with pytest.raises(PermanentError) as caught:
        to_email.deliver()
    again = to_email.deliver()

    assert "chief@company.example" in str(caught.value)
    assert "5.1.1 No such user here" in str(caught.value)
    assert caught.value.hint
    assert [step["name"] for step in caught.value.steps] == ["sent", "refused", "sent"]
    assert isinstance(again, Applied)
    assert recipients(to_email) == [[HOST], [INVITEE], ["chief@company.example"]]


def test_one_recipients_full_mailbox_does_not_hold_up_the_connection(to_email):
    to_email.break_request("error", match={"method": "RCPT"}, status=452)

    with pytest.raises(TemporaryError) as caught:
        to_email.deliver()

    assert not isinstance(caught.value, ThrottledError)
    assert not caught.value.ambiguous


def test_a_message_that_is_refused_does_not_keep_the_next_from_its_recipient(to_email):
    to_email.options["to"] = ["host", "invitee"]
    to_email.break_request("error", match={"method": "DATA"}, status=554)

    with pytest.raises(PermanentError):
        to_email.deliver()

    assert recipients(to_email) == [[INVITEE]]


@pytest.mark.parametrize(
    ("step", "status", "kind"),
    [
        ("MAIL", 421, ThrottledError), ("MAIL", 450, ThrottledError), ("MAIL", 451, ThrottledError),
        ("MAIL", 452, ThrottledError), ("MAIL", 454, TemporaryError), ("MAIL", 530, ConfigurationError),
        ("MAIL", 550, ConfigurationError), ("MAIL", 553, ConfigurationError), ("MAIL", 552, RuleError),
        ("RCPT", 421, ThrottledError), ("RCPT", 450, BusyTargetError), ("RCPT", 451, BusyTargetError),
        ("RCPT", 550, PermanentError), ("RCPT", 551, PermanentError), ("RCPT", 553, PermanentError),
        ("RCPT", 530, ConfigurationError), ("RCPT", 999, PermanentError),
        ("DATA", 421, ThrottledError), ("DATA", 451, ThrottledError), ("DATA", 458, TemporaryError),
        ("DATA", 552, RuleError), ("DATA", 554, PermanentError), ("DATA", 550, PermanentError),
        ("AUTH", 535, ConfigurationError), ("AUTH", 534, ConfigurationError), ("AUTH", 454, TemporaryError),
    ],
)  # fmt: skip
def test_each_answer_of_the_server_says_what_happens_next(to_email, step, status, kind):
    to_email.break_request("error", match={"method": step}, status=status)

    with pytest.raises(kind) as caught:
        to_email.deliver()

    assert type(caught.value) is kind
    assert str(status) in str(caught.value)
    assert caught.value.hint
    assert not getattr(caught.value, "ambiguous", False)
    assert mails(to_email) == []


def test_a_server_that_is_slow_is_told_from_one_that_hangs_up(to_email):
    to_email.break_write("timeout", seconds=3)

    with pytest.raises(TemporaryError) as caught:
        to_email.deliver()

    assert "no answer in time" in str(caught.value)


def test_a_message_that_is_too_large_is_refused_before_it_is_sent(to_email):
    to_email.server.state.config.mail_size_limit = 900

    with pytest.raises(RuleError) as caught:
        to_email.deliver()

    assert "552" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host": "mail.company.example"}, "unencrypted"),
        ({"host": "10.0.0.5"}, "unencrypted"),
        ({"host": "169.254.169.254", "security": "tls"}, "this machine"),
        ({"host": "::ffff:127.0.0.1"}, "this machine"),
        ({"host": "127.1"}, "this machine"),
        ({"host": "0.0.0.0"}, "this machine"),
        ({"username": ""}, "no user name"),
        ({"from_address": "nobody"}, "from_address is wrong"),
        ({"from_name": "A\r\nBcc: x@y.example"}, "from_name is wrong"),
        ({"reply_to": "a@b.example\nBcc: c@d.example"}, "reply_to is wrong"),
        ({"colour": "red"}, "colour is wrong"),
    ],
)
def test_settings_that_would_be_a_surprise_are_refused_and_nobody_is_asked(
    to_email, changes, words
):
    to_email.settings |= changes

    with pytest.raises(ConfigurationError) as caught:
        to_email.deliver()

    assert words in str(caught.value)
    assert caught.value.hint
    assert to_email.requests() == []


def test_a_server_of_this_machine_is_not_called_where_the_installation_does_not_allow_it(
    to_email, settings
):
    settings.OUTBOUND_ALLOWED_HOSTS = ("api.calendly.com",)

    with pytest.raises(ConfigurationError):
        to_email.connector().check()

    assert to_email.requests() == []


def test_a_server_without_tls_is_not_written_to_where_tls_is_asked_for(to_email):
    to_email.settings["security"] = "starttls"

    with pytest.raises(ConfigurationError) as caught:
        to_email.deliver()

    assert "STARTTLS" in str(caught.value)
    assert to_email.requests() == []


def test_a_password_that_cannot_be_sent_is_refused_without_being_told(to_email):
    to_email.secrets = {"password": "pässwörd-geheim"}

    with pytest.raises(ConfigurationError) as caught:
        to_email.deliver()

    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.hint}"
    assert "geheim" not in shown
    assert caught.value.__suppress_context__
    assert type(to_email.connector()).check_secret("password", "pässwörd")
    assert not type(to_email.connector()).check_secret("password", "correct horse!")


def test_an_exchange_shows_envelope_and_subject_no_password_and_the_words_cut(to_email):
    long = "x" * 5_000
    to_email.deliver(make_meeting(answers=(Answer(question="Wish", answer=long),)))

    login, sent = to_email.recorder.exchanges
    assert login["request"] == {"security": "none", "username": "sandbox-mail"}
    assert sent["request"]["to"] == [HOST]
    assert sent["request"]["subject"] == "Booked: Product demo with Ida Invitee"
    assert "characters]" in sent["request"]["text"]
    assert "sandbox-mail-password" not in json.dumps(to_email.recorder.exchanges)


def test_staffs_own_template_takes_the_place_of_the_shipped_one(to_email):
    own = MailTemplate(
        name="host_notice", label="Ours", subject="For {{ recipient.name }}",
        text="See {{ booking.join_url }}\n\nand http://evil.example {{ options.questionnaire_url }}",
    )  # fmt: skip
    to_email.options["questionnaire_url"] = "https://forms.example/1?a=1&b=2"
    to_email.templates = {"host_notice": own}

    to_email.deliver()

    (mail,) = mails(to_email)
    assert mail["subject"] == "For Hannah Host"
    assert '<a href="https://zoom.example/j/123">https://zoom.example/j/123</a>' in mail["html"]
    assert '<a href="https://forms.example/1?a=1&amp;b=2">' in mail["html"]
    assert 'href="http://evil.example' not in mail["html"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"template": "nothing", "to": ["host"]}, "no e-mail template 'nothing'"),
        ({"template": "confirmation"}, "to is wrong"),
        ({"template": "confirmation", "to": ["everybody"]}, "none of host, invitee"),
        ({"template": "confirmation", "to": ["answer:"]}, "none of host, invitee"),
        ({"template": "confirmation", "to": ["host"], "questionnaire_url": "javascript:alert(1)"}, "https://"),
        ({"template": "../x", "to": ["host"]}, "template is wrong"),
    ],
)  # fmt: skip
def test_options_that_fit_nothing_are_the_rules_fault(to_email, options, words):
    to_email.options = options

    with pytest.raises(RuleError) as caught:
        to_email.plan()

    assert words in str(caught.value)


def test_a_template_that_a_meeting_does_not_fit_is_the_rules_fault(to_email):
    bad = MailTemplate(
        name="bad", label="Bad", subject="x", text="{% for a in booking.duration %}x{% endfor %}"
    )
    to_email.options, to_email.templates = {"template": "bad", "to": ["host"]}, {"bad": bad}

    with pytest.raises(RuleError):
        to_email.plan()


def test_a_dry_run_shows_each_message_and_asks_nobody(to_email):
    task, connector = to_email.task(), to_email.connector(dry_run=True)

    applied = connector.apply(task, connector.plan(task), remember=print, forget=print)

    assert (
        applied.steps[0].detail == f"Would send 'Booked: Product demo with Ida Invitee' to {HOST}."
    )
    assert to_email.requests() == []


def test_names_and_domains_of_other_scripts_arrive_as_they_are(to_email):
    host = Person(name="Zoë 大輔", email="zoe@bücher.example", timezone="Nowhere/Never")

    to_email.deliver(make_meeting(hosts=(host,), invitee_name="Ünal Öz"))

    (mail,) = mails(to_email)
    assert mail["rcpt_to"] == ["zoe@xn--bcher-kva.example"]
    assert parsed(mail)["To"].addresses[0].display_name == "Zoë 大輔"
    assert parsed(mail)["Subject"] == "Booked: Product demo with Ünal Öz"
    assert "(UTC)" in mail["text"]


NOTICE = Notice(
    key="digest:2026-11-27", title="Monday <b>", url="https://calsync.example/admin/",
    sections=(
        NoticeSection(
            heading="Failed & waiting",
            lines=(
                NoticeLine(text="<script>alert(1)</script>", url="https://calsync.example/x", detail="Mend\r\nBcc: it"),
                NoticeLine(text="no link", url="javascript:alert(1)"),
            ),
        ),
    ),
)  # fmt: skip


def test_a_notice_is_mailed_once_to_all_with_every_word_escaped(to_email):
    to = {"to": ["a@company.example", "b@company.example"]}

    first = to_email.connector().notify(NOTICE, options=to, look_first=False)
    second = to_email.connector().notify(NOTICE, options=to, look_first=True)

    mail, again = mails(to_email)
    assert mail["rcpt_to"] == to["to"]
    assert mail["message_id"] == again["message_id"] == first.remote_id == second.remote_id
    assert mail["subject"] == "Monday <b>"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in mail["html"]
    assert "<script>" not in mail["html"]
    assert "javascript:" not in mail["html"] + mail["text"]
    assert "Mend Bcc: it" in mail["text"]


def test_a_notice_that_somebody_took_is_not_repeated_for_who_was_refused(to_email):
    to_email.break_request("error", match={"method": "RCPT", "path_contains": "a@"}, status=550)

    record = to_email.connector().notify(
        NOTICE, options={"to": ["a@company.example", "b@company.example"]}, look_first=False
    )

    assert recipients(to_email) == [["b@company.example"]]
    assert "a@company.example" in record.data["refused"][0]


def test_a_notice_that_nobody_took_is_tried_again(to_email):
    to_email.break_request("rate_limited", match={"method": "MAIL"})

    with pytest.raises(ThrottledError):
        to_email.connector().notify(NOTICE, options={"to": ["a@company.example"]}, look_first=False)


def test_a_meeting_is_planned_the_same_whatever_else_is_remembered(to_email):
    decision = to_email.plan()

    assert isinstance(decision, Send)
    assert decision == to_email.plan(replace(make_meeting(), tracking={"utm_source": "newsletter"}))


@pytest.mark.parametrize(
    ("start", "when"),
    [
        (datetime(2027, 3, 28, 8, 0, tzinfo=UTC), "Sunday, 28 March 2027, 10:00 to 10:30 (Europe/Berlin)"),
        (datetime(2026, 10, 25, 8, 0, tzinfo=UTC), "Sunday, 25 October 2026, 09:00 to 09:30 (Europe/Berlin)"),
    ],
)  # fmt: skip
def test_a_reminder_names_the_hour_the_zone_and_the_questionnaire(to_email, start, when):
    to_email.options = {
        "template": "reminder", "to": ["invitee"], "questionnaire_url": "https://forms.example/1",
    }  # fmt: skip

    to_email.deliver(make_meeting(start_at=start, end_at=start + timedelta(minutes=30)), kind="starting")  # fmt: skip

    (mail,) = mails(to_email)
    assert mail["subject"] == "Reminder: Product demo with Hannah Host"
    assert when in mail["text"]
    assert "Please answer a few questions before: https://forms.example/1" in mail["text"]
    assert '<a href="https://forms.example/1">' in mail["html"]
