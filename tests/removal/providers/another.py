"""All that one more provider needs: this file, copied among the others."""

import json

from core.states import AnswerClass
from removal.answers import Answer, HttpReply, Kind, failure, read_object, success
from removal.bounds import Bounds
from removal.contract import RemovalRequest
from removal.provider import PreparedCall, Provider, Signed

_CODES = {
    "busy": Kind(AnswerClass.THROTTLED),
    "garbled": Kind(AnswerClass.SOURCE, retries=1, is_unreadable=True),
    "moody": Kind(AnswerClass.PROVIDER_FAULT, retries=2, is_photos=True),
}


class Another(Provider):
    """Takes photos of 64 pixels and more."""

    bounds = Bounds(min_side=64, max_side=4096, max_bytes=5_000_000, formats=("JPEG",))
    takes_bytes = True

    def encode(self, request: RemovalRequest) -> PreparedCall:
        """Return a body of JSON, or the photo itself."""
        asked = {"photo": request.image_url, "what": request.elements}
        return PreparedCall(request.image_bytes or json.dumps(asked).encode())

    def sign(self, prepared: PreparedCall, now: float) -> Signed:  # noqa: ARG002 - every provider's signature
        """Return the URL's own path, and a token."""
        return Signed(self.url.raw_path, [(b"X-Token", self.account.key.encode())])

    @classmethod
    def kind_of(cls, code: str, message: str) -> Kind | None:  # noqa: ARG003 - every provider's signature
        """Return what a code means."""
        return _CODES.get(code)

    def read(self, reply: HttpReply) -> Answer:
        """Return what a reply means."""
        fields, flaw = read_object(reply.body)
        if "clean" in fields:
            return success(reply, message="", request_id="", output_url=fields["clean"])
        found = [fields["error"]] if "error" in fields else []
        return failure(reply, found, self.kind_of, flaw=flaw or "no_code", message="", request_id="")


PROVIDER = Another
