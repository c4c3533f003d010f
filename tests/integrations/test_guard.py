"""The guard of addresses that staff enter: how they are written, where they lead, and what a socket then does."""

import gzip
import http.server
import ipaddress
import json
import socket
import ssl
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_socket import SocketConnectBlockedError

from integrations import guard
from integrations.errors import ConfigurationError, TemporaryError
from integrations.guarded import MOST_READ
from integrations.http import HttpClient, Recorder

pytestmark = pytest.mark.db_independent

LISTED = (".inside.example", "crm", "10.1.2.3", "127.0.0.1", "localhost", "::1")

REFUSED_SPELLINGS = [
    # loopback and this machine, in every way to write an IPv4 address
    "https://127.0.0.1/", "https://127.0.0.2/", "https://127.1/", "https://127.0.1/", "https://0/", "https://0.0.0.0/",
    "https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0x7f.1/",
    "https://0177.0.0.1/", "https://0177.0.0.01/", "https://127.0.0.01/", "https://00127.0.0.1/", "https://127.0.0.1./",
    "https://127.0.0.0x1/", "https://0x/", "https://1.2.3.4.5/", "https://999.1.1.1/", "https://256/",
    "https://%31%32%37.0.0.1/", "https://\uff11\uff12\uff17.0.0.1/", "https://127。0。0。1/", "https://①②⑦.0.0.1/",
    # the same as IPv6, and IPv4 in disguise
    "https://[::1]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:7f00:0001]/", "https://[::127.0.0.1]/",
    "https://[::ffff:0:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::1]/", "https://[2002:7f00:1::]/", "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[fc00::1]/",
    "https://[fd12:3456::1]/", "https://[fec0::1]/", "https://[ff02::1]/", "https://[2001:db8::1]/", "https://[100::1]/",
    "https://[::1", "https://::1/", "https://[localhost]/",
    # inside, and what belongs to nobody
    "https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/", "https://100.64.0.1/",
    "https://100.127.255.255/", "https://169.254.1.1/", "https://192.0.0.1/", "https://192.0.2.1/", "https://192.88.99.1/",
    "https://198.18.0.1/", "https://198.51.100.1/", "https://203.0.113.1/", "https://224.0.0.1/", "https://240.0.0.1/",
    "https://255.255.255.255/",
    # the keys of cloud machines
    "https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/latest/", "https://100.100.100.200/",
    "https://168.63.129.16/", "https://192.0.0.192/", "https://[fd20:ce::254]/", "https://2852039166/",
    "https://0xA9FEA9FE/", "https://0251.0376.0251.0376/",
    # user names, and what two readers take for two hosts
    "https://user@example.com/", "https://user:pw@example.com/", "https://@example.com/", "https://example.com@127.0.0.1/",
    "https://example.com:443@127.0.0.1/", "https://127.0.0.1@example.com/", "https://example.com\\@127.0.0.1/",
    "https://example.com\\.evil.example/", "https:\\\\example.com/", "https://example.com /", "https://example.com\t/",
    "https://exa\nmple.com/", " https://example.com/", "https://example.com\r\nHost: evil/", "https://exam\u200bple.com/",
    # ports, schemes, and no host
    "https://example.com:22/", "https://example.com:80/", "https://example.com:6379/", "https://example.com:8080/",
    "https://example.com:65536/", "https://example.com:-1/", "https://example.com:https/", "http://example.com/",
    "http://example.com:443/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com/",
    "example.com", "https:///hook", "https://", "", "javascript:alert(1)", "unix:///run/redis.sock",
    # no names
    "https://-example.com/", "https://example-.com/", "https://exa_mple..com/", "https://.example.com/", "https://example.com./",
    "https://*.example.com/", "https://bücher.example/", f"https://{'a' * 64}.example/", f"https://{'a.' * 127}example/",
    "https://example.com/" + "a" * 2_000,
]  # fmt: skip

LEADS_ASTRAY = [
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.20.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "169.254.0.1",
    "0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.0.192", "168.63.129.16", "100.100.100.200", "::1", "::",
    "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "fd00:ec2::254", "fd00::1", "fe80::1", "fe80::1%eth0", "ff02::1",
    "2002:a00:1::", "2001:db8::1",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_is_listed(settings):
    settings.OUTBOUND_ALLOWED_HOSTS = ("api.calendly.com",)


@pytest.fixture
def resolver(monkeypatch):
    """A name server of the test's own; `asked` are the names it was asked for, the last answer is repeated."""
    real = socket.getaddrinfo

    class Resolver:
        def __init__(self):
            self.names, self.asked = {}, []

        def __call__(self, host, port, *args, **more):
            if _is_address(host):
                return real(host, port, *args, **more)
            self.asked.append(host)
            answers = self.names.get(host)
            if not answers:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            addresses = answers.pop(0) if len(answers) > 1 else answers[0]
            return [entry for address in addresses for entry in real(address, port, *args, **more)]

    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    return made


def _is_address(host):
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Handler(http.server.BaseHTTPRequestHandler):
    """Answer as the path says."""

    server: "Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        getattr(self, f"_{self.path.strip('/') or 'plain'}")()

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def log_message(self, *args):
        pass

    def _answer(self, status, body=b"{}", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def _plain(self):
        self._answer(200, json.dumps({"host": self.headers["Host"]}).encode())

    def _away(self):
        self._answer(302, Location=f"http://127.0.0.1:{self.server.server_port}/inside")

    def _large(self):
        self._answer(200, b"x" * (MOST_READ * 3))

    def _packed(self):
        packed = gzip.compress(b"x" * 20_000_000)
        self._answer(200, packed, **{"Content-Encoding": "gzip"})

    def _endless(self):
        self.send_response(200)
        self.end_headers()
        self._until_gone(lambda: self.wfile.write(b"x" * 4_096))

    def _slow(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self._until_gone(lambda: self.server.over.wait(0.05) or self.wfile.write(b"X-More: 1\r\n"))

    def _until_gone(self, act):
        try:
            while not self.server.over.is_set():
                act()
        except OSError:
            self.server.gone.set()
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, family=socket.AF_INET):
        self.address_family = family
        self.seen, self.bodies, self.sni = [], [], []
        self.over, self.gone = threading.Event(), threading.Event()
        super().__init__(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), Handler)

    def handle_error(self, request, client_address):
        pass  # a client that breaks off is what some tests are about


@contextmanager
def running(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server():
    with running(Server()) as made:
        yield made


@pytest.fixture
def client():
    with closing(HttpClient(guarded=True, timeout=(1.0, 1.0))) as made:
        yield made


@pytest.fixture
def listed(settings):
    settings.OUTBOUND_ALLOWED_HOSTS = LISTED


@pytest.mark.parametrize("url", REFUSED_SPELLINGS)
def test_a_spelling_that_leads_astray_is_refused_and_nobody_is_asked(url, resolver, client):
    with pytest.raises(ConfigurationError) as caught:
        client.request("POST", url, content=b"{}")

    assert caught.value.hint
    assert resolver.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com", "https://example.com/hook?x=1#top", "https://EXAMPLE.com:443/", "https://a_b.example.com:8443/",
        "https://xn--bcher-kva.example/", "https://8.8.8.8/", "https://[2606:4700::1111]/", "https://1e100.net/",
        "https://0x7f.example/", "https://api.calendly.com:9999/",
    ],
)  # fmt: skip
def test_an_address_on_the_internet_may_be_entered(url):
    guard.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://crm/hook", "http://crm:8080/hook", "https://a.b.inside.example:9443/", "http://10.1.2.3:8000/",
        "http://localhost:8025/webhook/x", "http://[::1]:8025/", "http://127.0.0.1:8025/",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("listed")
def test_a_listed_host_may_be_inside_at_any_port_and_without_tls(url):
    guard.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://inside.example/", "http://evilinside.example/", "http://inside.example.evil.example/", "http://crm.evil.example/",
        "http://10.1.2.4/", "http://127.0.0.2/", "http://2130706433/", "http://127.1/", "http://user@crm/",
        "http://[::ffff:10.1.2.3]/",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("listed")
def test_what_only_resembles_a_listed_host_is_refused(url):
    with pytest.raises(ConfigurationError):
        guard.check_url(url)


@pytest.mark.parametrize("address", LEADS_ASTRAY)
def test_a_name_that_leads_astray_is_refused(address, resolver, client):
    resolver.names["localtest.example"] = [[address]]

    with pytest.raises(ConfigurationError, match=r"localtest\.example leads to"):
        client.request("POST", "https://localtest.example/", content=b"{}")


@pytest.mark.parametrize(
    "name", ["localhost", "localtest.me", "127.0.0.1.nip.io", "spoofed.burpcollaborator.net"]
)
def test_a_public_name_of_this_machine_is_refused(name, resolver, client):
    resolver.names[name] = [["127.0.0.1"]]

    with pytest.raises(ConfigurationError, match="not on the internet"):
        client.request("GET", f"https://{name}/")


@pytest.mark.parametrize(
    "addresses", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1111", "::1"]]
)
def test_one_private_address_among_several_is_enough_to_refuse(addresses, resolver, client):
    resolver.names["two.example"] = [addresses]

    with pytest.raises(ConfigurationError, match=r"two\.example leads to"):
        client.request("GET", "https://two.example/")


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.7.7", "100.64.0.1", "fd12::1", "8.8.8.8"])
@pytest.mark.usefixtures("listed")
def test_a_listed_name_may_lead_inside(address, resolver):
    resolver.names["erp.inside.example"] = [[address]]

    assert guard.resolve("erp.inside.example", 80) == (address,)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "0.0.0.0",
        "::ffff:10.0.0.1",
    ],
)
@pytest.mark.usefixtures("listed")
def test_a_listed_name_leads_neither_to_this_machine_nor_to_its_keys(address, resolver):
    resolver.names["erp.inside.example"] = [[address]]

    with pytest.raises(ConfigurationError, match="no place to send to"):
        guard.resolve("erp.inside.example", 80)


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_the_socket_goes_to_the_address_that_was_judged(resolver, client):
    resolver.names["rebinding.example"] = [["8.8.8.8"], ["127.0.0.1"]]

    with pytest.raises(SocketConnectBlockedError, match=r"8\.8\.8\.8"):
        client.request("GET", "https://rebinding.example/")

    assert resolver.asked == ["rebinding.example"]


@pytest.mark.usefixtures("listed")
def test_a_name_is_resolved_once_and_its_host_header_stays(resolver, client, server):
    resolver.names["localhost"] = [["127.0.0.1"], ["169.254.169.254"]]
    url = f"http://localhost:{server.server_port}/"

    answer = client.request("GET", url)

    assert answer.json() == {"host": f"localhost:{server.server_port}"}
    assert resolver.asked == ["localhost"]


@pytest.mark.usefixtures("listed")
def test_every_request_is_judged_anew(resolver, client, server):
    resolver.names["localhost"] = [["127.0.0.1"], ["169.254.169.254"]]
    url = f"http://localhost:{server.server_port}/"
    client.request("GET", url)

    with pytest.raises(ConfigurationError):
        client.request("GET", url)

    assert len(server.seen) == 1


@pytest.mark.usefixtures("listed")
def test_the_next_address_is_tried_where_the_first_does_not_answer(resolver, client, server):
    resolver.names["localhost"] = [["::1", "127.0.0.1"]]

    assert client.request("GET", f"http://localhost:{server.server_port}/").ok


@pytest.mark.usefixtures("listed")
def test_an_ipv6_address_is_called_in_its_brackets(client):
    with running(Server(socket.AF_INET6)) as server:
        answer = client.request("GET", f"http://[::1]:{server.server_port}/")

    assert answer.json() == {"host": f"[::1]:{server.server_port}"}


@pytest.mark.usefixtures("listed")
def test_a_name_without_an_address_may_have_one_tomorrow(resolver, client):
    with pytest.raises(TemporaryError, match="name could not be resolved") as caught:
        client.request("POST", "https://new.inside.example/", content=b"{}")

    assert not caught.value.ambiguous
    assert resolver.asked == ["new.inside.example"]


@pytest.mark.usefixtures("listed")
def test_a_redirect_is_an_answer_and_is_not_followed(client, server):
    answer = client.request("GET", f"http://127.0.0.1:{server.server_port}/away")

    assert answer.status_code == 302
    assert [path for path, _ in server.seen] == ["/away"]


@pytest.mark.usefixtures("listed")
def test_proxies_and_passwords_of_the_environment_are_left_alone(
    client, server, monkeypatch, tmp_path
):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ida password swordfish\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    assert client.request("GET", f"http://127.0.0.1:{server.server_port}/").ok
    assert "Authorization" not in server.seen[0][1]


@pytest.mark.usefixtures("listed")
def test_a_large_answer_is_cut(client, server):
    answer = client.request("GET", f"http://127.0.0.1:{server.server_port}/large")

    assert answer.content == b"x" * MOST_READ


@pytest.mark.usefixtures("listed")
def test_an_endless_answer_is_left(client, server):
    answer = client.request("GET", f"http://127.0.0.1:{server.server_port}/endless")

    assert len(answer.content) == MOST_READ
    assert server.gone.wait(10)


@pytest.mark.usefixtures("listed")
def test_an_answer_that_drips_ends_with_the_time_for_all_of_it(server):
    with (
        closing(HttpClient(guarded=True, timeout=(0.3, 0.3))) as client,
        pytest.raises(TemporaryError, match="no answer in time") as caught,
    ):
        client.request("POST", f"http://127.0.0.1:{server.server_port}/slow", content=b"{}")

    assert caught.value.ambiguous
    assert server.gone.wait(10)


@pytest.mark.usefixtures("listed")
def test_bytes_are_sent_as_they_are_and_recorded_without_headers(server):
    recorder, sent = Recorder(), '{"b": 1,   "a": "ü", "token": "swordfish"}'.encode()
    with closing(HttpClient(guarded=True, recorder=recorder)) as client:
        client.request(
            "POST", f"http://127.0.0.1:{server.server_port}/", content=sent,
            headers={"X-Secret": "opensesame"},
        )  # fmt: skip

    assert server.bodies == [sent]
    assert server.seen[0][1]["X-Secret"] == "opensesame"
    assert recorder.exchanges[0]["request"] == {"b": 1, "a": "ü", "token": "[secret]"}
    assert "opensesame" not in json.dumps(recorder.exchanges)


def _certificate(name, folder):
    """Write a certificate of our own for a name; return the path of certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@contextmanager
def _tls_server(certificate):
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: server.sni.append(name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield server


@pytest.mark.usefixtures("listed")
def test_the_name_is_asked_for_and_its_certificate_checked(tmp_path, monkeypatch):
    certificate = _certificate("localhost", tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    with (
        _tls_server(certificate) as server,
        closing(HttpClient(guarded=True, timeout=(2.0, 2.0))) as client,
    ):
        answer = client.request("GET", f"https://localhost:{server.server_port}/")

    assert answer.json() == {"host": f"localhost:{server.server_port}"}
    assert server.sni == ["localhost"]


@pytest.mark.usefixtures("listed")
def test_the_certificate_of_another_name_is_refused(tmp_path, monkeypatch):
    certificate = _certificate("other.example", tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    with (
        _tls_server(certificate) as server,
        closing(HttpClient(guarded=True, timeout=(2.0, 2.0))) as client,
        pytest.raises(TemporaryError, match="certificate is not trusted") as caught,
    ):
        client.request("POST", f"https://localhost:{server.server_port}/", content=b"{}")

    assert not caught.value.ambiguous
    assert server.seen == []


@contextmanager
def _broken_tls_server(certificate, *, answer):
    """Shake hands, take a request, and answer with a broken record; what is no record is said in place of the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        raw, _ = listening.accept()
        if not answer.startswith(b"\x17"):
            raw.recv(1_000)
        else:
            tls = context.wrap_socket(raw, server_side=True)
            tls.recv(10_000)
            raw = socket.socket(fileno=tls.detach())
        raw.sendall(answer)
        raw.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        thread.join()
        listening.close()


@pytest.mark.parametrize(
    ("answer", "ambiguous"),
    [
        (b"\x17\x03\x03\x00\x20" + b"x" * 32, True),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
        (b"", False),
    ],
    ids=["after the request", "instead of a handshake", "hung up in the handshake"],
)
@pytest.mark.usefixtures("listed")
def test_a_write_is_in_doubt_where_tls_broke_after_it_was_sent(
    tmp_path, monkeypatch, answer, ambiguous
):
    certificate = _certificate("localhost", tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    with (
        _broken_tls_server(certificate, answer=answer) as port,
        closing(HttpClient(guarded=True, timeout=(2.0, 2.0))) as client,
        pytest.raises(TemporaryError, match="connection lost") as caught,
    ):
        client.request("POST", f"https://localhost:{port}/", content=b"{}")

    assert caught.value.ambiguous is ambiguous


@pytest.mark.parametrize(
    "word", ["NewConnectionError", "NameResolutionError", "CERTIFICATE_VERIFY_FAILED"]
)
@pytest.mark.usefixtures("listed")
def test_words_in_the_address_do_not_tell_how_it_went(tmp_path, monkeypatch, word):
    certificate = _certificate("localhost", tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    with (
        _broken_tls_server(certificate, answer=b"\x17\x03\x03\x00\x20" + b"x" * 32) as port,
        closing(HttpClient(guarded=True, timeout=(2.0, 2.0))) as client,
        pytest.raises(TemporaryError, match="connection lost") as caught,
    ):
        client.request("POST", f"https://localhost:{port}/people/{word}", content=b"{}")

    assert caught.value.ambiguous


@pytest.mark.usefixtures("listed")
def test_a_small_answer_that_unpacks_to_a_large_one_is_cut_too(client, server):
    answer = client.request("GET", f"http://127.0.0.1:{server.server_port}/packed")

    assert answer.content == b"x" * MOST_READ
