"""Events as SDKs send them: the purchases of `examples/cdnow`, and one of each type with every field there is."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from streams.demo.cdnow import event_of, purchases

if TYPE_CHECKING:
    from collections.abc import Sequence

    Tree = dict[str, Any]

CONTEXT: Tree = {
    "active": True,
    "app": {"name": "Shop", "version": "5.45.0", "build": "3.0.1.545", "namespace": "com.shop"},
    "campaign": {"name": "spring", "source": "Newsletter", "medium": "email", "term": "discs", "content": "a link"},
    "device": {"id": "B5372DB0-C21E", "advertisingId": "7A3CBEA0", "adTrackingEnabled": True, "model": "Phone7,2"},
    "groupId": "g-9",
    "ip": "203.0.113.7",
    "library": {"name": "analytics.js", "version": "2.11.1"},
    "locale": "de-CH",
    "location": {"city": "Zürich", "country": "CH", "latitude": 47.3769, "longitude": 8.5417, "speed": 0},
    "network": {"bluetooth": False, "carrier": "Swisscom", "cellular": True, "wifi": False},
    "os": {"name": "iPhone OS", "version": "8.1.3"},
    "page": {"path": "/cds/", "referrer": "", "search": "?q=jazz", "title": "CDs", "url": "https://shop.example/cds/"},
    "referrer": {"id": "ABCD", "type": "dataxu"},
    "screen": {"width": 320, "height": 568, "density": 2},
    "timezone": "Europe/Zurich",
    "traits": {"plan": "pro", "email": "a@shop.example"},
    "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 9_1 like Mac OS X)",
}

PRODUCT: Tree = {"product_id": "507f1f77", "sku": "45790-32", "name": "Kind of Blue", "price": 19.5, "quantity": 1}

ORDER: Tree = {
    "order_id": "50314b8e",
    "total": 27.5,
    "revenue": 25.0,
    "shipping": 3,
    "tax": 2,
    "discount": 2.5,
    "coupon": "hasbros",
    "currency": "USD",
    "quantity": 3,
    "gift": False,
    "note": None,
    "products": [PRODUCT, {**PRODUCT, "sku": "46493-32", "price": 3, "quantity": 2, "tags": ["jazz", "sale"]}],
}

TRAITS: Tree = {
    "plan": "pro",
    "email": "a@shop.example",
    "name": "Ada Löw",
    "age": 36,
    "balance": -12.75,
    "vip": True,
    "createdAt": "2025-01-20T08:00:00Z",
    "birthday": "1990-05-17",
    "tags": ["jazz", "blues", 7],
    "address": {"street": "Gasse 1", "city": "Zürich", "postalCode": "8001"},
    "company": {"id": "c-1", "employee_count": 120, "plan": "team"},
    "logins": 41,
}

COMMON: Tree = {
    "anonymousId": "507f191e810c19729de860ea",
    "channel": "browser",
    "context": CONTEXT,
    "integrations": {"All": True, "Mixpanel": False},
    "messageId": "022bb90c-bbac-11e4-8dfc-aa07a5b093db",
    "receivedAt": "2025-02-23T22:28:55.387Z",
    "sentAt": "2025-02-23T22:28:55.111Z",
    "originalTimestamp": "2025-02-23T22:28:54.900Z",
    "timestamp": "2025-02-23T22:28:55.111Z",
    "userId": "97980cfea0067",
    "version": 2,
}

FULL: Sequence[Tree] = (
    {"type": "track", **COMMON, "event": "Order Completed", "properties": ORDER},
    {"type": "track", **COMMON, "event": "Product Viewed", "properties": PRODUCT},
    {"type": "identify", **COMMON, "traits": TRAITS},
    {"type": "group", **COMMON, "groupId": "g-9", "traits": {"name": "Initech", "employees": 329, "plan": "team"}},
    {"type": "page", **COMMON, "name": "CDs", "category": "Shop", "properties": CONTEXT["page"]},
    {"type": "screen", **COMMON, "name": "Basket", "properties": {"variation": "blue", "items": [1, 2, 3]}},
    {"type": "alias", **COMMON, "previousId": "507f191e810c19729de860ea"},
)


@functools.cache
def bought() -> Sequence[Tree]:
    """Return every tenth purchase of the music shop."""
    return [event_of(purchase) for purchase in purchases()[::10]]
