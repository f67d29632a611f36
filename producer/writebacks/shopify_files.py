"""Shopify's GraphQL Admin API: `fileUpdate` replaces an image's content and keeps its id, alt text and products.

The shop fetches the new content itself, some time after it answered: the file is `PROCESSING` until it is `READY` or
`FAILED`. An answer of 200 may hold `errors` or `userErrors`; each tells what the call did cost, what is left and how
fast that comes back.
"""

from typing import Any

from producer.webhooks.delivery import list_of, text_of
from producer.writebacks.pace import ShopThrottled
from producer.writebacks.shop_api import (
    NewPhoto,
    ShopCaller,
    ShopFailed,
    ShopMedium,
    ShopRefused,
    TokenRefused,
)

API_VERSION = "2026-01"
DEFAULT_RESTORED = 50.0
THROTTLED_SECONDS = 1.0

_READ = """query Photos($id: ID!) {
  product(id: $id) {
    media(first: 250) {
      nodes { ... on MediaImage { id fileStatus updatedAt fileErrors { message } image { url } } }
    }
  }
}"""
_REPLACE = """mutation Replace($files: [FileUpdateInput!]!) {
  fileUpdate(files: $files) { files { id fileStatus } userErrors { field message code } }
}"""
_ACKNOWLEDGE = """mutation Acknowledge($ids: [ID!]!) {
  fileAcknowledgeUpdateFailed(fileIds: $ids) { userErrors { field message code } }
}"""
_AGAIN = {"FILE_LOCKED", "NON_READY_STATE", "INTERNAL_SERVER_ERROR"}


def shopify_headers(token: str) -> dict[str, str]:
    """Return what says who asks."""
    return {"X-Shopify-Access-Token": token}


class ShopifyFiles:
    """The media of a shop's products.

    Args:
        caller: Of this shop.
    """

    def __init__(self, caller: ShopCaller) -> None:
        self._caller = caller

    def read(self, product: str) -> list[ShopMedium]:
        """Return a product's images in their order; none when the product is gone."""
        found = self._ask(_READ, {"id": product}).get("product")
        media = found.get("media") if isinstance(found, dict) else None
        nodes = list_of(media.get("nodes")) if isinstance(media, dict) else []
        return [_medium(node) for node in nodes if node.get("id")]

    def stands(self, product: str, gallery: list[ShopMedium]) -> bool:  # noqa: ARG002 - as for all
        """Whether a replacement would undo nothing: it touches one file alone."""
        return True

    def replace(self, product: str, gallery: list[ShopMedium], medium: ShopMedium, photo: NewPhoto) -> str:  # noqa: ARG002 - as for all
        """Give an image another content; it keeps its id."""
        if medium.fault:
            # What failed before is ready again only after somebody says that he saw it.
            self._ask(_ACKNOWLEDGE, {"ids": [medium.id]})
        found = self._ask(_REPLACE, {"files": [{"id": medium.id, "originalSource": photo.url}]}).get("fileUpdate")
        answer = found if isinstance(found, dict) else {}
        errors = list_of(answer.get("userErrors"))
        if errors:
            words = "; ".join(f"{text_of(each.get('code'))}: {text_of(each.get('message'))}" for each in errors)
            raise ShopFailed(words) if any(each.get("code") in _AGAIN for each in errors) else ShopRefused(words)
        return medium.id

    def _ask(self, query: str, variables: dict[str, object]) -> dict[str, Any]:
        path = f"/admin/api/{API_VERSION}/graphql.json"
        status, found = self._caller.ask("POST", path, {"query": query, "variables": variables})
        answer = found if isinstance(found, dict) else {}
        self._note_cost(answer)
        errors = list_of(answer.get("errors"))
        codes = {text_of(each["extensions"].get("code")) for each in errors if isinstance(each.get("extensions"), dict)}
        words = "; ".join(text_of(each.get("message")) for each in errors) or text_of(answer.get("errors"))
        if "THROTTLED" in codes:
            self._caller.pace.hold(THROTTLED_SECONDS)
            raise ShopThrottled(self._caller.pace.wait_seconds)
        if "ACCESS_DENIED" in codes:
            raise TokenRefused(words)
        if status == 404 or words or not isinstance(answer.get("data"), dict):
            known = status == 404 or bool(codes - {"INTERNAL_SERVER_ERROR"})
            raise ShopRefused(words or f"HTTP {status}") if known else ShopFailed(words or "an answer without data")
        data: dict[str, Any] = answer["data"]
        return data

    def _note_cost(self, answer: dict[str, Any]) -> None:
        extensions = answer.get("extensions")
        cost = extensions.get("cost") if isinstance(extensions, dict) else None
        status = cost.get("throttleStatus") if isinstance(cost, dict) else None
        if isinstance(cost, dict) and isinstance(status, dict):
            self._caller.pace.note_points(
                requested=_number(cost.get("requestedQueryCost")),
                actual=_number(cost.get("actualQueryCost")),
                available=_number(status.get("currentlyAvailable")),
                restored=_number(status.get("restoreRate")) or DEFAULT_RESTORED,
            )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _medium(node: dict[str, Any]) -> ShopMedium:
    image, status = node.get("image"), text_of(node.get("fileStatus"))
    errors = "; ".join(text_of(each.get("message")) for each in list_of(node.get("fileErrors")))
    return ShopMedium(
        id=text_of(node.get("id")),
        url=text_of(image.get("url")) if isinstance(image, dict) else "",
        version=text_of(node.get("updatedAt")),
        is_ready=status in {"READY", "FAILED"},
        fault=(errors or "the shop could not process it") if status == "FAILED" else "",
        entry=node,
    )
