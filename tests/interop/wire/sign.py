"""Signs with the libraries of PyPI and writes each signed request with the verdict it deserves."""

import json
from datetime import datetime, timezone

import standardwebhooks
import stripe
import svix.webhooks
from slack_sdk.signature import SignatureVerifier

from common import emit, encode

SECONDS = 1_770_000_000
NOW = SECONDS * 1000
TOLERANCE_MS = 300_000
ID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
BODIES = [
    '{"test": 2432232314}',
    json.dumps({"name": "Jörg 🌊 漢字"}, ensure_ascii=False),
    json.dumps([{"n": n, "text": f"item {n}"} for n in range(200)]),
]
KEYS = ["whsec_" + encode(f"{name}, a key of 24 bytes..") for name in ("one", "two", "three")]


def standard(prefix, library):
    def sign(key, body):
        signature = library(key).sign(ID, datetime.fromtimestamp(SECONDS, timezone.utc), body)
        return {
            f"{prefix}-id": ID,
            f"{prefix}-timestamp": str(SECONDS),
            f"{prefix}-signature": signature,
        }

    return sign


def sign_stripe(key, body):
    header = stripe.WebhookSignature.generate_signature_header(body, key, SECONDS)
    return {"stripe-signature": header}


def sign_slack(key, body):
    signature = SignatureVerifier(key).generate_signature(timestamp=str(SECONDS), body=body)
    return {"x-slack-request-timestamp": str(SECONDS), "x-slack-signature": signature}


SCHEMES = [
    ("PyPI standardwebhooks", "standard-webhooks", standard("webhook", standardwebhooks.Webhook)),
    ("PyPI svix", "svix", standard("svix", svix.webhooks.Webhook)),
    ("PyPI stripe", "stripe", sign_stripe),
    ("PyPI slack-sdk", "slack", sign_slack),
]


def altered(body, at):
    """The body with one bit of one byte changed."""
    data = bytearray(body.encode())
    data[at] ^= 1
    return encode(bytes(data))


for library, scheme, sign in SCHEMES:
    for body in BODIES:
        key, other, third = KEYS
        line = {
            "library": library,
            "scheme": scheme,
            "keys": [key],
            "now": NOW,
            "headers": sign(key, body),
            "body_base64": encode(body),
        }
        middle = len(body.encode()) // 2
        for case, expect, change in [
            ("good", "key 0", {}),
            ("rotated, old key second", "key 1", {"keys": [other, key]}),
            ("wrong key", "mismatch", {"keys": [other, third]}),
            ("altered first", "mismatch", {"body_base64": altered(body, 0)}),
            ("altered middle", "mismatch", {"body_base64": altered(body, middle)}),
            ("altered last", "mismatch", {"body_base64": altered(body, -1)}),
            ("old but in time", "key 0", {"now": NOW + TOLERANCE_MS}),
            ("old", "too-old", {"now": NOW + TOLERANCE_MS + 1}),
            ("from the future", "too-new", {"now": NOW - TOLERANCE_MS - 1}),
        ]:
            emit({**line, "case": case, "expect": expect, **change})
