"""Signatures as receivers verify them, and secrets."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from streams.http.webhooks.signing import check_secret, make_secret, signed_headers

BODY = '{"type":"segment.entered","data":{"customer_id":"Bücher"}}'.encode()


def whsec(size: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(size))).decode()


def test_the_published_example_is_signed_as_published() -> None:
    # of the test suites of the Standard Webhooks libraries
    headers = signed_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        at_s=1_614_265_330,
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_receiver_verifies_it() -> None:
    secret, now_s = make_secret(), int(time.time())
    headers = signed_headers([secret], "d-1", BODY, at_s=now_s)
    assert Webhook(secret).verify(BODY, headers)["data"] == {"customer_id": "Bücher"}
    for other in (BODY.replace(b"entered", b"exited"), b"{}"):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(other, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, {**headers, "webhook-id": "d-2"})
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, signed_headers([secret], "d-1", BODY, at_s=now_s - 301))


def test_after_a_rotation_either_secret_verifies_it() -> None:
    new, old = make_secret(), make_secret()
    headers = signed_headers([new, old], "d-1", BODY, at_s=int(time.time()))
    assert headers["webhook-signature"].count(" ") == 1
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers)


def test_a_made_secret_is_good_and_no_two_are_the_same() -> None:
    made = {check_secret(make_secret()) for _ in range(100)}
    assert len(made) == 100
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32 for secret in made)


@pytest.mark.parametrize("size", [24, 25, 32, 64])
def test_a_given_secret_is_taken(size: int) -> None:
    assert check_secret(whsec(size)) == whsec(size)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "hunter2",
        whsec(23),
        whsec(65),
        whsec(32).removeprefix("whsec_"),
        whsec(25).rstrip("="),
        whsec(32) + "\n",
        whsec(32) + "ü",
        "whsec_" + "-_-_" * 10,
    ],
)
def test_another_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and the padded standard base64 of 24 to 64") as found:
        check_secret(text)
    assert len(text) < 10 or text not in str(found.value)
