"""A stand-in for Shopify's GraphQL Admin API, as far as media of products and `fileUpdate` go.

By its public reference: `POST /admin/api/<version>/graphql.json` with `X-Shopify-Access-Token`. Each answer tells what
the call was held to cost, what it cost, and of the bucket of points how large it is, what is left and how fast it
fills; a call for which too few are left is answered 200 with the error `THROTTLED`. `fileUpdate` takes files that are
`READY` only, says what is wrong in `userErrors`, and is done some time after it answered: the file is `PROCESSING`, and
then `READY` under its old id and path with another `v`, or `FAILED` until `fileAcknowledgeUpdateFailed`.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.shops.shop_server import Answer, Asked, ShopServer, fetched

READ_COST = 30
WRITE_COST = 20
PRODUCT = "gid://shopify/Product/1"


class ShopifyStandIn(ShopServer):
    """A shop with one product; time passes by its clock alone."""

    def __init__(self, token: str = "shpat_1", secret: str = "secret", clock: Callable[[], float] = time.monotonic):
        super().__init__()
        self._token = token
        self._secret = secret
        self._clock = clock
        self._next_version = 1000
        self._deliveries = 0
        self.media: list[dict[str, Any]] = []
        self.looks_while_processing = 1
        self.has_write_files = True
        self.recodes: Callable[[bytes], bytes] = bytes
        self.size, self.restored = 1000.0, 50.0
        self._left, self._left_at = self.size, clock()
        self.throttled = 0

    def add_photo(self, data: bytes) -> None:
        """Add a photo to the product."""
        number = len(self.media) + 1
        medium = {"id": f"gid://shopify/MediaImage/{number}", "status": "READY", "alt": f"text {number}", "waits": 0}
        medium["path"] = f"/s/files/1/photo-{number}.png"
        self._show(medium, data)
        self.media.append(medium)

    def photo(self, place: int) -> bytes:
        """Return the photo that the product shows in a place."""
        return self.files[self.media[place]["path"]]

    def change_photo(self, place: int, data: bytes) -> None:
        """Let the shop's own people replace a photo."""
        self._show(self.media[place], data)

    def spend(self, points: float) -> None:
        """Let another app of the shop's use up points."""
        self._fill()
        self._left -= points

    def webhook(self) -> tuple[dict[str, str], bytes]:
        """Return headers and body of what is sent when the product was updated."""
        self._deliveries += 1
        body = json.dumps(
            {
                "id": 1,
                "admin_graphql_api_id": PRODUCT,
                "variants": [{"sku": "s-1"}],
                "images": [
                    {"id": n, "admin_graphql_api_id": f"gid://shopify/ProductImage/{n}", "src": self._url(each)}
                    for n, each in enumerate(self.media)
                ],
                "media": [
                    {
                        "admin_graphql_api_id": each["id"],
                        "media_content_type": "IMAGE",
                        "preview_image": {"src": self._url(each)},
                    }
                    for each in self.media
                ],
            }
        ).encode()
        signature = base64.b64encode(hmac.new(self._secret.encode(), body, hashlib.sha256).digest()).decode()
        named = {"hmac-sha256": signature, "topic": "products/update", "webhook-id": f"d-{self._deliveries}"}
        return {f"x-shopify-{name}": value for name, value in named.items()}, body

    def answer(self, asked: Asked) -> Answer:
        if not asked.path.startswith("/admin/api/2026-01/graphql.json"):
            return Answer(404, {"errors": "Not Found"})
        if asked.headers.get("x-shopify-access-token") != self._token:
            return Answer(
                401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
            )
        is_write = "fileUpdate(" in asked.body["query"]
        cost = WRITE_COST if is_write else READ_COST
        self._fill()
        if self._left < cost:
            self.throttled += 1
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return Answer(body={"errors": [error], "extensions": self._cost(cost, None)})
        variables = asked.body["variables"]
        if is_write and not self.has_write_files:
            error = {"message": "Access denied for fileUpdate field.", "extensions": {"code": "ACCESS_DENIED"}}
            return Answer(body={"data": {"fileUpdate": None}, "errors": [error]})
        self._left -= cost
        if "fileAcknowledgeUpdateFailed(" in asked.body["query"]:
            return Answer(body={"data": self._acknowledge(variables["ids"]), "extensions": self._cost(cost, cost)})
        data = self._update(variables["files"]) if is_write else {"product": self._product(variables["id"])}
        return Answer(body={"data": data, "extensions": self._cost(cost, cost)})

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(self.size, self._left + (now - self._left_at) * self.restored)
        self._left_at = now

    def _cost(self, requested: int, actual: int | None) -> dict[str, Any]:
        status = {"maximumAvailable": self.size, "currentlyAvailable": int(self._left), "restoreRate": self.restored}
        return {"cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}}

    def _product(self, name: str) -> dict[str, Any] | None:
        if name != PRODUCT:
            return None
        nodes = []
        for each in self.media:
            if each["status"] == "PROCESSING":
                each["waits"] -= 1
                if each["waits"] < 0:
                    self._finish(each)
            nodes.append(
                {
                    "id": each["id"],
                    "fileStatus": each["status"],
                    "updatedAt": each["updated"],
                    "fileErrors": [{"message": each["fault"]}] if each.get("fault") else [],
                    "image": {"url": self._url(each)},
                }
            )
        # A video among them is no MediaImage, and so an empty node.
        return {"media": {"nodes": [*nodes, {}]}}

    def _update(self, files: list[dict[str, Any]]) -> dict[str, Any]:
        errors, updated = [], []
        for n, file in enumerate(files):
            medium = next((each for each in self.media if each["id"] == file["id"]), None)
            wrong = ("FILE_DOES_NOT_EXIST", "File id does not exist.") if medium is None else None
            if medium is not None and medium["status"] != "READY":
                wrong = ("NON_READY_STATE", "Files that are not ready cannot be updated.")
            if wrong is not None or medium is None:
                code, message = wrong or ("", "")
                errors.append({"code": code, "field": ["files", str(n), "id"], "message": message})
                continue
            medium |= {"status": "PROCESSING", "waits": self.looks_while_processing, "source": file["originalSource"]}
            updated.append({"id": medium["id"], "fileStatus": "PROCESSING"})
        return {"fileUpdate": {"files": updated, "userErrors": errors}}

    def _acknowledge(self, names: list[str]) -> dict[str, Any]:
        for each in self.media:
            if each["id"] in names and each["status"] == "FAILED":
                each |= {"status": "READY", "fault": ""}
        return {"fileAcknowledgeUpdateFailed": {"userErrors": []}}

    def _finish(self, medium: dict[str, Any]) -> None:
        data = fetched(medium["source"])
        if data is None:
            medium |= {"status": "FAILED", "fault": "The file could not be downloaded from the source."}
            return
        medium["status"] = "READY"
        self._show(medium, self.recodes(data))

    def _show(self, medium: dict[str, Any], data: bytes) -> None:
        self._next_version += 1
        medium |= {"v": self._next_version, "updated": datetime.now(UTC).isoformat()}
        self.files[medium["path"]] = data

    def _url(self, medium: dict[str, Any]) -> str:
        return f"{self.url}{medium['path']}?v={medium['v']}"
