"""Whether the removal API is where it is said to be: asked without a photo and without a signature, so that nothing is
paid."""

import httpx

from core.errors import CleanplateError

ANSWER_SECONDS = 5.0
CODES = ("code", "Code", "resCode")
"""What a gateway's answer has one of, whatever it refuses."""
NOTHING_THERE = frozenset({404, 410})


def probe_api(url: str, host: str, port: int) -> None:
    """Ask a removal API for nothing, and see whether one answers.

    Args:
        url: Where it is.
        host: Of the URL.
        port: Of the URL.

    Raises:
        CleanplateError: Nobody answers, or somebody else does.
    """
    try:
        answer = httpx.get(url, timeout=ANSWER_SECONDS, follow_redirects=False, trust_env=False)
    except httpx.TransportError as error:
        raise CleanplateError(
            f"nothing answers at {host}:{port} ({type(error).__name__}: {error}); check REMOVAL_API_URL"
        ) from error
    if answer.status_code in NOTHING_THERE and not _is_of_gateway(answer):
        raise CleanplateError(
            f"{host}:{port} answers, but only with {answer.status_code}: there is no removal API at this address; "
            "check REMOVAL_API_URL"
        )


def _is_of_gateway(answer: httpx.Response) -> bool:
    try:
        told = answer.json()
    except ValueError:
        return False
    return isinstance(told, dict) and any(name in told for name in CODES)
