"""The end of a certificate, against the library that the controller has."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.streamquorum.ha.plugins.module_utils.pki.certificate_end import certificate_end
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = ec.generate_private_key(ec.SECP256R1())


def pem(end: datetime.datetime, subject="a" * 60):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)] * 4)
    made = x509.CertificateBuilder(name, name, KEY.public_key(), x509.random_serial_number())
    made = made.not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(end)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    "end", [datetime.datetime(2027, 1, 31, 5), datetime.datetime(2049, 12, 31), datetime.datetime(2050, 1, 1)]
)
def test_the_end_of_one(end):
    assert certificate_end(pem(end)) == end.date().isoformat()


def test_a_chain_ends_with_its_first_that_does_and_a_key_is_passed_over():
    key = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    text = key + pem(datetime.datetime(2030, 5, 1)) + pem(datetime.datetime(2029, 5, 1))
    assert certificate_end(text) == "2029-05-01"


@pytest.mark.parametrize("inside", ["AA==", "no base64!", "MIIB"])
def test_what_is_no_certificate_has_no_end(inside):
    assert certificate_end("") == ""
    assert certificate_end(f"-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n") == ""
