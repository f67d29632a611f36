"""Which class each code of the API and its gateway belongs to.

Numbers are the reference's result codes. Names are the gateway's, as it shows them in its own error envelopes.
"""

import re

from core.states import AnswerClass

SUCCESS_CODE = "200"

_RESULT_CODES = {
    "501": AnswerClass.THROTTLED,
    "700": AnswerClass.PERMANENT,
    "701": AnswerClass.SOURCE,
    "702": AnswerClass.SOURCE,
    "703": AnswerClass.PERMANENT,
    "704": AnswerClass.PERMANENT,
    "705": AnswerClass.PERMANENT,
    "801": AnswerClass.PROVIDER_FAULT,
    "900": AnswerClass.PROVIDER_FAULT,
    "1000": AnswerClass.PERMANENT,
    "1001": AnswerClass.PROVIDER_FAULT,
    "1002": AnswerClass.PROVIDER_FAULT,
}

_ACCOUNT_NAMES = re.compile(
    r"(illegal|invalid|incomplete|missing|expired|insufficient)"
    r"(sign|signature|signmethod|timestamp|app|appkey|accesstoken|partnerid|(isv|user)?permissions?)"
    r"|noresource|freequotaexhausted|servicenotopened",
    re.IGNORECASE,
)
_THROTTLE_NAMES = re.compile(r"\w*calllimit", re.IGNORECASE)
_SIGNING_WORDS = re.compile(
    r"\b(app_?key|partner_?id|timestamp|sign(ature|_?method|_?ver)?|access_?token)\b", re.IGNORECASE
)
_EXHAUSTED = re.compile(r"calling resources have been exhausted", re.IGNORECASE)


def class_of_code(code: str, message: str) -> AnswerClass | None:
    """Return the class of a result code or a gateway code; None for one that is not known.

    Args:
        code: The code as text.
        message: What came with it; tells a missing signing parameter from any other, and an exhausted quota.
    """
    if code in _RESULT_CODES:
        return _RESULT_CODES[code]
    if _THROTTLE_NAMES.fullmatch(code):
        return AnswerClass.THROTTLED
    if _ACCOUNT_NAMES.fullmatch(code) or _EXHAUSTED.search(message):
        return AnswerClass.ACCOUNT
    if code.lower() == "missingparameter" and _SIGNING_WORDS.search(message):
        return AnswerClass.ACCOUNT
    return None


def class_of_status(http_status: int) -> AnswerClass | None:
    """Return the class an HTTP status has by itself; None when only the body can tell."""
    if http_status == 429:
        return AnswerClass.THROTTLED
    if http_status in {401, 403}:
        return AnswerClass.ACCOUNT
    if 500 <= http_status <= 599:
        return AnswerClass.PROVIDER_FAULT
    return None
