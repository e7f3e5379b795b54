"""Certificates on the controller: what a PEM file holds, why it is refused, a private authority, Java's stores.

Runs on the controller only, where `cryptography` is (ansible-core depends on it). Nothing here logs or prints a key.
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import ipaddress
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.streamquorum.ha.plugins.module_utils.core.generation import DIGEST_LENGTH
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID

#: RSA, since every cipher list of ZooKeeper and Flink has suites for it; Flink's own before 2.3 has no other.
KEY_BITS = 3072
AUTHORITY_DAYS = 3650
#: A clock of a host may be behind ours.
BACKDATED = datetime.timedelta(hours=1)
KEY_BLOCK = re.compile(rb"-----BEGIN (?:\w+ )?PRIVATE KEY-----.*?-----END (?:\w+ )?PRIVATE KEY-----", re.DOTALL)
USAGES = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
}


class CertificateError(Exception):
    """A file that is not what it should be; the text names it and the remedy, and has nothing of a key."""


@dataclass(frozen=True)
class Bundle:
    """A private key, its certificate, and what leads to the authority."""

    key: Any
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def expires(self) -> datetime.datetime:
        """When the first of its certificates ends, UTC."""
        return min(each.not_valid_after_utc for each in (self.certificate, *self.chain))

    def pem(self) -> str:
        """Key (PKCS #8, the only kind that ZooKeeper reads), certificate and chain, as one text."""
        key: bytes = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return (key + b"".join(_pem(each) for each in (self.certificate, *self.chain))).decode()


def parse(data: bytes, name: str) -> Bundle:
    """A PEM file with one private key and its certificate; further ones are its chain.

    Args:
        data: the file's content.
        name: of the file, for errors.

    Raises:
        CertificateError: there is no key or no certificate, they do not match, or the key is encrypted.
    """
    certificates = anchors(data, name)
    if b"ENCRYPTED" in data:
        raise CertificateError(f"{name}: the key is encrypted. Decrypt it (openssl pkey), and vault the file instead.")
    block = KEY_BLOCK.search(data)
    if not block:
        raise CertificateError(
            f"{name}: holds no private key. It needs the key, the certificate and its chain, in PEM."
        )
    try:
        key = serialization.load_pem_private_key(block[0], None)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"{name}: its private key cannot be read ({type(error).__name__}).") from error
    public = _public(key)
    own = [each for each in certificates if _public(each) == public]
    if not own:
        raise CertificateError(f"{name}: no certificate in it belongs to its key. Put the two of one request together.")
    return Bundle(key, own[0], tuple(each for each in certificates if each is not own[0]))


def anchors(data: bytes, name: str) -> list[x509.Certificate]:
    """The certificates of a PEM file.

    Raises:
        CertificateError: there is none, or one that cannot be read.
    """
    try:
        return list(x509.load_pem_x509_certificates(data))
    except ValueError as error:
        raise CertificateError(f"{name}: holds no certificate in PEM ({error}).") from error


def problems(
    bundle: Bundle,
    authorities: Sequence[x509.Certificate],
    names: Sequence[str],
    now: datetime.datetime,
    what: str,
    usages: Sequence[str] = tuple(USAGES),
) -> list[str]:
    """Why a certificate is refused.

    Args:
        authorities: the ones that others trust.
        names: host names and addresses that it must be valid for.
        now: UTC, aware.
        what: the variable and the file, for the text.
        usages: server, client: what the extended key usage must allow, where the certificate has one.
    """
    found = [
        f"{what}: {_subject(each)} is expired since {each.not_valid_after_utc:%Y-%m-%d}. Renew it."
        for each in (bundle.certificate, *bundle.chain)
        if each.not_valid_after_utc < now
    ] + [
        f"{what}: {_subject(each)} is not valid before {each.not_valid_before_utc:%Y-%m-%d %H:%M} UTC. Look at the clocks."
        for each in (bundle.certificate, *bundle.chain)
        if each.not_valid_before_utc > now
    ]
    if not _leads_to(bundle, authorities):
        found.append(
            f"{what}: {_subject(bundle.certificate)} does not lead to the given authority "
            f"({', '.join(_subject(each) for each in authorities)}). Add the chain to the file, or give the right authority."
        )
    missing = [name for name in names if not _covers(bundle.certificate, name)]
    if missing:
        found.append(
            f"{what}: {_subject(bundle.certificate)} has no subject alternative name for {', '.join(missing)}. "
            "Request one with it: clients compare it with the name that they connect to."
        )
    allowed = _extension(bundle.certificate, x509.ExtendedKeyUsage)
    if allowed is not None:
        for usage in usages:
            if USAGES[usage] not in allowed:
                found.append(
                    f"{what}: {_subject(bundle.certificate)} may not be used as a {usage} (extended key usage). "
                    "Request one that may be both: every process here is both."
                )
    return found


def trust_problems(bundle: Bundle, known: Sequence[x509.Certificate], what: str) -> list[str]:
    """Refuses a certificate that the processes which run now would not trust: they take theirs one by one.

    Args:
        known: the authorities that these trust; none where nothing runs.
        what: the variable and the file, for the text.
    """
    if not known or _leads_to(bundle, known):
        return []
    return [
        f"{what}: {_subject(bundle.certificate)} leads to none of the authorities that running processes trust "
        f"({', '.join(_subject(each) for each in known)}). First give its authority beside theirs, both in the variable of that name "
        "that ends in _ca_file, and run playbooks/site.yml; then the certificate."
    ]


def warnings(bundle: Bundle, now: datetime.datetime, days: int, what: str) -> list[str]:
    """What is to be renewed soon."""
    left = (bundle.expires - now).days
    return [f"{what}: expires on {bundle.expires:%Y-%m-%d}, in {left} days. Renew it."] if 0 <= left < days else []


def _leads_to(bundle: Bundle, authorities: Sequence[x509.Certificate]) -> bool:
    current, left = bundle.certificate, list(bundle.chain)
    while True:
        if current in authorities or any(_issued(current, each) for each in authorities):
            return True
        issuer = next((each for each in left if _issued(current, each)), None)
        if issuer is None:
            return False
        left.remove(issuer)
        current = issuer


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _covers(certificate: x509.Certificate, name: str) -> bool:
    alternatives = _extension(certificate, x509.SubjectAlternativeName)
    if alternatives is None:
        return False
    try:
        return ipaddress.ip_address(name) in alternatives.get_values_for_type(x509.IPAddress)
    except ValueError:
        wanted = name.lower()
        wild = "*." + wanted.partition(".")[2]
        return {wanted, wild} & {each.lower() for each in alternatives.get_values_for_type(x509.DNSName)} != set()


def _extension(certificate: x509.Certificate, kind: Any) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "the certificate"


def _public(holder: Any) -> bytes:
    data: bytes = holder.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return data


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """A private authority in a directory of the controller: its own key, and the certificates that it gave out.

    For labs and small sites: whoever reads the directory is the authority. Several runs at once wait for each other.

    Args:
        folder: the directory; made where missing, root's or the operator's alone.
        name: of the authority.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def peek(self, host: str) -> tuple[Bundle, list[x509.Certificate]] | None:
        """A host's certificate and the authority's, where both are there.

        Raises:
            CertificateError: one of them is damaged.
        """
        own, ca = self._folder / f"{host}.pem", self._folder / "ca.pem"
        if not (own.exists() and ca.exists()):
            return None
        return parse(own.read_bytes(), str(own)), anchors(ca.read_bytes(), str(ca))

    def trust_problems(self, known: Sequence[x509.Certificate], what: str) -> list[str]:
        """Refuses an authority that the processes which run now do not trust, such as a new one where the directory was lost.

        Args:
            known, what: as for the function of this name.
        """
        own = self._folder / "ca.pem"
        if not known or (own.exists() and anchors(own.read_bytes(), str(own))[0] in known):
            return []
        return [
            f"{what}: running processes trust {', '.join(_subject(each) for each in known)}, which is not the private authority in "
            f"{self._folder}. Restore that directory, or set tls_authority_dir to where it is."
        ]

    def issue(
        self, host: str, subject: str, names: Sequence[str], days: int, renew_days: int, now: datetime.datetime
    ) -> tuple[Bundle, list[x509.Certificate]]:
        """A host's certificate: the one that it has, or a new one where that ends soon or does not fit any more.

        Raises:
            CertificateError: a file of the authority is damaged.
            OSError: the directory cannot be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            authority = self._own(now)
            found = self.peek(host)
            if found and not self.stale(found, subject, names, renew_days, now):
                return found
            bundle = self._sign(authority, subject, names, days, now)
            _write(self._folder / f"{host}.pem", bundle.pem(), 0o600)
            return bundle, [authority.certificate]

    @staticmethod
    def stale(
        found: tuple[Bundle, list[x509.Certificate]],
        subject: str,
        names: Sequence[str],
        renew_days: int,
        now: datetime.datetime,
    ) -> bool:
        """Whether a certificate is to be made anew."""
        bundle, authorities = found
        return (
            bool(problems(bundle, authorities, names, now, ""))
            or bool(warnings(bundle, now, renew_days, ""))
            or bundle.certificate.subject != _name(subject)
        )

    def _own(self, now: datetime.datetime) -> Bundle:
        key_file, certificate_file = self._folder / "ca.key", self._folder / "ca.pem"
        if key_file.exists() and certificate_file.exists():
            return parse(key_file.read_bytes() + certificate_file.read_bytes(), str(key_file))
        if certificate_file.exists():
            raise CertificateError(
                f"{key_file} is missing beside {certificate_file}: without it nothing can be renewed. Restore it, or move "
                f"{self._folder} away to begin with a new authority, which every process has to be restarted for."
            )
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        name = _name(f"StreamQuorum {self._name}")
        certificate = (
            _builder(name, name, key.public_key(), AUTHORITY_DAYS, now)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        bundle = Bundle(key, certificate)
        # The key first: a run that ends in between begins anew, and nothing was given out yet.
        _write(key_file, bundle.pem().partition("-----BEGIN CERT")[0], 0o600)
        _write(certificate_file, _pem(certificate).decode(), 0o644)
        return bundle

    @staticmethod
    def _sign(authority: Bundle, subject: str, names: Sequence[str], days: int, now: datetime.datetime) -> Bundle:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        builder = _builder(_name(subject), authority.certificate.subject, key.public_key(), days, now)
        certificate = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(list(USAGES.values())), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
            )
            .sign(authority.key, hashes.SHA256())
        )
        return Bundle(key, certificate)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Any, days: int, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, text: str, mode: int) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        os.fchmod(handle, mode)
        stream.write(text)
        stream.flush()
        os.fsync(handle)
    os.replace(temporary, path)


def stores(bundle: Bundle, authorities: Sequence[x509.Certificate], password: str) -> tuple[bytes, bytes, str]:
    """Java's stores in PKCS #12: (key store, trust store, what they were made of).

    Both are salted, so they differ each time; the third, a digest, says whether they have to be made anew, and can be
    part of a name. It tells nothing of the password, since the key goes into it.
    """
    secret = password.encode()
    key_store = pkcs12.serialize_key_and_certificates(
        b"own",
        bundle.key,
        bundle.certificate,
        list(bundle.chain) or None,
        serialization.BestAvailableEncryption(secret),
    )
    trust_store = pkcs12.serialize_java_truststore(
        [pkcs12.PKCS12Certificate(each, f"authority-{number}".encode()) for number, each in enumerate(authorities)],
        serialization.BestAvailableEncryption(secret),
    )
    made_of = hashlib.sha256(
        "\0".join([bundle.pem(), *(_pem(each).decode() for each in authorities), password]).encode()
    )
    return key_store, trust_store, made_of.hexdigest()[:DIGEST_LENGTH]


def authorities_pem(authorities: Sequence[x509.Certificate]) -> str:
    """Certificates as one text in PEM."""
    return "".join(_pem(each).decode() for each in authorities)
