"""How both ends connect to the broker."""

import pytest

from core.queues import celery_settings


@pytest.mark.parametrize(
    ("given", "url", "tls"),
    [
        ("redis://u:p@h:1/2", "redis://u:p@h:1/2", None),
        ("rediss://u:p%40@h:1/2", "rediss://u:p%40@h:1/2", {"ssl_cert_reqs": "required"}),
        (
            "rediss://h/0?ssl_ca_certs=/a%20b.pem&health_check_interval=5&ssl_check_hostname=false",
            "rediss://h/0?health_check_interval=5",
            {"ssl_cert_reqs": "required", "ssl_ca_certs": "/a b.pem", "ssl_check_hostname": False},
        ),
        ("rediss://h/0?ssl_cert_reqs=none", "rediss://h/0", {"ssl_cert_reqs": "none"}),
    ],
)
def test_celerys_client_looks_at_certificates_as_all_others_do(given: str, url: str, tls: object) -> None:
    found = celery_settings(given)
    assert (found["broker_url"], found["broker_use_ssl"]) == (url, tls)
