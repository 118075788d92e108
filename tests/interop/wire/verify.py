"""Verifies with the libraries of PyPI what we signed: genuine requests pass under every key, others do not."""

import base64

import standardwebhooks
import stripe
import svix.webhooks
from slack_sdk.signature import SignatureVerifier

from common import Checks, lines


def passes(call):
    try:
        call()
        return True
    except (standardwebhooks.WebhookVerificationError, stripe.SignatureVerificationError):
        return False


VERIFIERS = {
    "standard-webhooks": lambda key, headers, body: passes(
        lambda: standardwebhooks.Webhook(key).verify(body, headers)
    ),
    "svix": lambda key, headers, body: passes(
        lambda: svix.webhooks.Webhook(key).verify(body, headers)
    ),
    "stripe": lambda key, headers, body: passes(
        lambda: stripe.WebhookSignature.verify_header(
            body, headers["stripe-signature"], key, tolerance=300
        )
    ),
    "slack": lambda key, headers, body: SignatureVerifier(key).is_valid_request(body, headers),
}
OTHER = "whsec_b3RoZXIsIGEga2V5IG9mIDI0IGJ5dGVzLi4="

checks = Checks()
for line in lines():
    verify, headers = VERIFIERS.get(line["scheme"]), line["headers"]
    if verify is None:
        continue
    body = base64.b64decode(line["body_base64"]).decode()
    for key in line["keys"]:
        if key.startswith("whsk_"):
            continue
        checks.check(verify(key, headers, body), line["scheme"], "genuine", headers)
        checks.check(not verify(key, headers, body + " "), line["scheme"], "altered")
    checks.check(not verify(OTHER, headers, body), line["scheme"], "wrong key")
checks.close()
