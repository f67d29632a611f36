"""The signature, against a value made with the openssl command."""

from removal.signing import sign


def test_the_signature_is_the_vendors() -> None:
    assert sign("key-1", "topsecret", 1_700_000_000_000) == {
        "partner_id": "aidge",
        "sign_method": "sha256",
        "sign_ver": "v2",
        "app_key": "key-1",
        "timestamp": "1700000000000",
        "sign": "1C12C6420825926D1545BC15F6AE139E1BD7D4FBC55A5259E8CCB544C6E98D52",
    }


def test_each_moment_has_its_own_signature() -> None:
    first, second = (sign("key-1", "topsecret", now)["sign"] for now in (1_700_000_000_000, 1_700_000_000_001))
    assert first != second
