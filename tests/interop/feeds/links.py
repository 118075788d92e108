"""A client that follows `Link: rel="next"` (RFC 8288) and keeps nothing but the last address.
PyPI cloudevents reads what comes. Every event also carries the cursor to go on from."""

import json
import re
from urllib.error import HTTPError
from urllib.parse import urlencode

from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat

from gateway import Checks, Gateway

EVENTS = 90
FORMAT = JSONFormat()
STRUCTURED = {"content-type": "application/cloudevents+json"}


def page(gateway, path):
    """The events of a page, and the address of the next one."""
    body, headers = gateway.get(path)
    parts = [json.dumps(part).encode() for part in json.loads(body)]
    events = [from_structured(HTTPMessage(STRUCTURED, part), FORMAT) for part in parts]
    link = re.fullmatch(r'<([^>]+)>; rel="next"', headers["link"])
    return events, link[1]


def numbers(events):
    return [event.get_data()["number"] for event in events]


def follow(gateway, checks):
    path, read = "/out/stock?limit=7", []
    while True:
        events, path = page(gateway, path)
        if not events:
            return path
        read += events
        if len(read) % 5 == 0:
            gateway.crash()
        if len(read) >= EVENTS:
            checks.check(numbers(read) == list(range(EVENTS)), "followed", numbers(read))
            for event in read[:: EVENTS // 9]:
                cursor = event.get_attributes()["cursor"]
                rest, _ = page(gateway, f"/out/stock?{urlencode({'cursor': cursor})}")
                number = event.get_data()["number"]
                expected = list(range(number + 1, min(number + 21, EVENTS)))
                checks.check(numbers(rest) == expected, "behind", number, numbers(rest))
                checks.check(event.get_subject() == f"sku/{number}", "subject", event)


def refused(gateway, path):
    try:
        gateway.get(path)
    except HTTPError as error:
        return error.code, json.loads(error.read())["code"]
    return 200, None


checks = Checks()
with Gateway() as gateway:
    for number in range(EVENTS):
        gateway.publish("stock.changed", number)
    end = follow(gateway, checks)
    gateway.publish("stock.changed", EVENTS)
    events, _ = page(gateway, end)
    checks.check(numbers(events) == [EVENTS], "what came later", numbers(events))
    identity = events[0].get_id()
    checks.check(refused(gateway, f"/out/stock?lastEventId={identity}") == (400, "event-id"), "an id is no cursor")
    unknown = "/out/stock/local?lastEventId=6f1e3c0a-52c5-5f6b-9b35-0d2a1f7f1c55"
    checks.check(refused(gateway, unknown) == (410, "event-gone"), "an unknown id")
checks.close()
