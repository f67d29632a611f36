"""An authority of one's own, and a certificate that it gives to a server of this machine."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from localstack.ports import LOOPBACK


@dataclass(frozen=True, slots=True)
class Trust:
    """Files of one authority and its server.

    Args:
        authority: What clients are told to believe.
        certificate: What the server shows.
        key: Its key.
    """

    authority: Path
    certificate: Path
    key: Path


def make_trust(folder: Path) -> Trust:
    """Make an authority and a certificate of a server on loopback."""
    folder.mkdir(parents=True)
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority, server = _named("An authority of our own"), _named("A server")
    names = [x509.IPAddress(ipaddress.ip_address(LOOPBACK))]
    made = {
        "ca.pem": _dated(authority, authority, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256()),
        "server.pem": _dated(server, authority, server_key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256()),
    }
    for name, certificate in made.items():
        (folder / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.key").write_bytes(key)
    return Trust(folder / "ca.pem", folder / "server.pem", folder / "server.key")


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _dated(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + 7 * day)
    )
