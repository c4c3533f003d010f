"""The sandbox's mail server, by the standard library's client: what it takes, refuses, and how it fails."""

import smtplib

import pytest

from integrations.sandbox import SandboxServer, SandboxUnavailable

MESSAGE = "Subject: Hi\r\nMessage-ID: <1@x.example>\r\n\r\nHello"
SENDER, IDA, BO = "a@x.example", "ida@x.example", "bo@x.example"


@pytest.fixture
def client(sandbox):
    with smtplib.SMTP(sandbox.host, sandbox.mail_port, timeout=5) as smtp:
        smtp.login(sandbox.state.config.mail_username, sandbox.state.config.mail_password)
        yield smtp


def send(client, *to):
    return client.sendmail(SENDER, list(to or (IDA,)), MESSAGE)


def test_what_is_taken_can_be_read(sandbox, control, client):
    send(client, IDA, BO)

    (mail,) = control.mails()
    assert (mail["mail_from"], mail["rcpt_to"]) == (SENDER, [IDA, BO])
    assert (mail["subject"], mail["message_id"]) == ("Hi", "<1@x.example>")
    assert mail["text"].strip() == "Hello"
    assert control.mails(to=BO) == [mail]
    assert control.mails(to="nobody@x.example") == []
    assert [(row["method"], row["status"]) for row in control.requests(service="email")] == [
        ("AUTH", 235), ("DATA", 250),
    ]  # fmt: skip


def test_a_reset_empties_the_mailbox(control, client):
    send(client)

    control.reset()

    assert control.mails() == []


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_refused_and_mail_needs_a_log_in(sandbox, control, password):
    with smtplib.SMTP(sandbox.host, sandbox.mail_port, timeout=5) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login(sandbox.state.config.mail_username, password)
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            send(smtp)

    assert caught.value.smtp_code == 530
    assert control.mails() == []


@pytest.mark.parametrize(
    ("kind", "step", "params", "error", "code"),
    [
        ("rate_limited", "MAIL", {}, smtplib.SMTPSenderRefused, 451),
        ("rate_limited", "DATA", {}, smtplib.SMTPDataError, 451),
        ("error", "MAIL", {"status": 553}, smtplib.SMTPSenderRefused, 553),
        ("error", "DATA", {"status": 552}, smtplib.SMTPDataError, 552),
        ("error", "DATA", {"status": 554, "text": "5.7.1 spam"}, smtplib.SMTPDataError, 554),
    ],
)  # fmt: skip
def test_a_step_is_refused_where_a_switch_says_so(control, client, kind, step, params, error, code):
    control.add_fault("email", kind, match={"method": step}, **params)

    with pytest.raises(error) as caught:
        send(client)
    send(client)

    assert caught.value.smtp_code == code
    assert len(control.mails()) == 1


def test_one_recipient_is_refused_and_the_others_get_it(control, client):
    control.add_fault("email", "error", match={"method": "RCPT", "path_contains": IDA})

    refused = send(client, IDA, BO)

    assert refused[IDA][0] == 550
    assert control.mails()[0]["rcpt_to"] == [BO]


@pytest.mark.parametrize(("kind", "taken"), [("drop_before", 0), ("drop_after", 1)])
def test_a_connection_is_cut_before_or_after_the_message_was_taken(control, client, kind, taken):
    control.add_fault("email", kind, match={"method": "DATA"})

    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(client)

    assert len(control.mails()) == taken


def test_a_log_in_is_refused_once_or_for_good(sandbox, control):
    config = sandbox.state.config
    control.add_fault("email", "token_expired")
    codes = []
    for _ in range(2):
        with smtplib.SMTP(sandbox.host, sandbox.mail_port, timeout=5) as smtp:
            try:
                codes.append(smtp.login(config.mail_username, config.mail_password)[0])
            except smtplib.SMTPAuthenticationError as error:
                codes.append(error.smtp_code)
    control.add_fault("email", "token_revoked")
    for _ in range(2):
        with (
            smtplib.SMTP(sandbox.host, sandbox.mail_port, timeout=5) as smtp,
            pytest.raises(smtplib.SMTPAuthenticationError),
        ):
            smtp.login(config.mail_username, config.mail_password)

    assert codes == [535, 235]


def test_a_taken_mail_port_is_said_and_leaves_nothing_running(sandbox):
    other = SandboxServer(mail_port=sandbox.mail_port)

    with pytest.raises(SandboxUnavailable, match="--mail-port"):
        other.start()

    other.stop()
