"""TLS to the mail server: agreed on, verified against its name, and never given up."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.errors import ConfigurationError, TemporaryError
from integrations.http import BadCertificateError
from integrations.sandbox import SandboxServer
from tests.connectors.harness import Driver
from tests.connectors.mails import mails


def certificate(folder, name):
    """Write a certificate for a host of this name, signed by itself; return its file and the server's context."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / f"{name}.pem"
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return file, context


@pytest.fixture(params=["starttls", "tls"])
def security(request):
    return request.param


def driver(server, security):
    made = Driver("email", server, action="send_email")
    made.options = {"template": "host_notice", "to": ["host"]}
    made.settings |= {"host": "localhost", "security": security}
    return made


def test_a_message_travels_encrypted_to_a_server_that_is_who_it_says(
    tmp_path, monkeypatch, security
):
    file, context = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with SandboxServer(mail_tls=context, mail_tls_at_once=security == "tls") as server:
        to_email = driver(server, security)

        to_email.deliver()

        assert len(mails(to_email)) == 1
        assert to_email.recorder.exchanges[0]["url"].startswith(
            "smtps://" if security == "tls" else "smtp://"
        )


@pytest.mark.parametrize("trouble", ["not trusted", "another name"])
def test_a_server_that_is_not_who_it_says_gets_neither_password_nor_message(
    tmp_path, monkeypatch, security, trouble
):
    file, context = certificate(
        tmp_path, "localhost" if trouble == "not trusted" else "mail.other.example"
    )
    if trouble == "another name":
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with SandboxServer(mail_tls=context, mail_tls_at_once=security == "tls") as server:
        to_email = driver(server, security)

        with pytest.raises(BadCertificateError) as caught:
            to_email.deliver()

        assert caught.value.hint
        assert not caught.value.ambiguous
        assert to_email.requests() == []


def test_security_that_does_not_fit_the_port_says_so(tmp_path, monkeypatch):
    file, context = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with SandboxServer() as plain, SandboxServer(mail_tls=context) as starttls:
        with pytest.raises(TemporaryError) as caught:
            driver(plain, "tls").deliver()
        with pytest.raises(ConfigurationError) as refused:
            driver(starttls, "none").deliver()

    assert "security may not fit the port" in str(caught.value)
    assert refused.value.hint
