"""Read the private key that signs in by JWT, however it was pasted."""

import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

#: Salesforce takes certificates from this size on.
_SMALLEST = 2048
_BLOCK = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]+)-----(?P<body>.*?)-----END (?P=kind)-----", re.DOTALL
)
_MADE_BY = "openssl req -x509 -newkey rsa:2048 -nodes -keyout calsync.key -out calsync.crt -days 730 -subj /CN=calsync"


def read_private_key(text: str) -> RSAPrivateKey:
    """Return the RSA key of a PEM text; line breaks that were lost, or spelled out, do no harm.

    Raises:
        ValueError: it is something else, in words for the person who entered it.
    """
    blocks = list(_BLOCK.finditer(text.replace("\\n", "\n")))
    found = next((block for block in blocks if block["kind"].endswith("PRIVATE KEY")), None)
    if found is None:
        raise ValueError(_not_a_key({block["kind"] for block in blocks}))
    if "ENCRYPTED" in found["kind"] or "Proc-Type" in found["body"]:
        raise ValueError(
            "The key is protected by a passphrase. Enter it without: openssl rsa -in calsync.key prints it."
        )
    try:
        key = load_pem_private_key(_pem(found).encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("The key cannot be read: it is damaged or cut off. Paste the whole file.") from error  # fmt: skip
    if not isinstance(key, RSAPrivateKey):
        raise ValueError(f"Salesforce wants an RSA key, and this is another kind. Make one: {_MADE_BY}")  # fmt: skip
    if key.key_size < _SMALLEST:
        raise ValueError(f"The key has {key.key_size} bits, and Salesforce wants {_SMALLEST} or more. Make one: {_MADE_BY}")  # fmt: skip
    return key


def _not_a_key(kinds: set[str]) -> str:
    if "CERTIFICATE" in kinds:
        return "This is the certificate, which goes to Salesforce. Enter the private key that it was made with."
    if any(kind.endswith("PUBLIC KEY") for kind in kinds):
        return "This is the public key. Enter the private key that belongs to it."
    return "This is no PEM text: it begins with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----."


def _pem(block: re.Match[str]) -> str:
    body = "".join(block["body"].split())
    lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
    return f"-----BEGIN {block['kind']}-----\n{lines}\n-----END {block['kind']}-----\n"
