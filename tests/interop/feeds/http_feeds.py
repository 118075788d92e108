"""A client of HTTP feeds, written from its specification alone: an endless loop over GET and
`lastEventId`, where an empty array is the end. It polls while events are published and the gateway
is killed, and must get every event once and in order."""

import json
import threading
from urllib.parse import urlencode

from gateway import Checks, Gateway

EVENTS = 200
CRASH_AT = (40, 90, 150)


class Feed:
    """The client. It knows the address of a feed and nothing else of what serves it."""

    def __init__(self, gateway, path):
        self.gateway, self.path = gateway, path
        self.last_event_id = None
        self.events = []

    def poll(self, timeout=None):
        query = {"lastEventId": self.last_event_id or "null"}
        if timeout is not None:
            query["timeout"] = timeout
        body, headers = self.gateway.get(f"{self.path}?{urlencode(query)}")
        assert headers["content-type"] == "application/cloudevents-batch+json", headers
        page = json.loads(body)
        for event in page:
            self.events.append(event)
            self.last_event_id = event["id"]
        return page


def simple(gateway, checks):
    """Polls from the beginning to the first empty array."""
    feed = Feed(gateway, "/out/stock/local")
    pages = 0
    while feed.poll():
        pages += 1
    numbers = [event["data"]["number"] for event in feed.events]
    checks.check(numbers == list(range(EVENTS)), "simple polling", numbers)
    checks.check(pages >= EVENTS // 20, "pages", pages)
    for event in feed.events:
        good = event["specversion"] == "1.0" and event["type"] == "stock.changed"
        good = good and event["subject"] == f"sku/{event['data']['number']}" and "time" in event and "source" in event
        checks.check(good, "event", event)


def long(gateway, checks):
    """Polls with a timeout while another thread publishes and crashes the gateway."""
    feed = Feed(gateway, "/out/stock/local")
    identities = []

    up = threading.Lock()

    def publish():
        for number in range(EVENTS):
            # Nobody publishes into a gateway that is down: that would test the publisher.
            with up:
                identities.append(gateway.publish("stock.changed", number))
                gateway.publish("order.created", number)

    publisher = threading.Thread(target=publish)
    publisher.start()
    crashes = []
    while True:
        working = publisher.is_alive()
        page = feed.poll(timeout=2000)
        if not page and not working:
            break
        if len(crashes) < len(CRASH_AT) and len(feed.events) >= CRASH_AT[len(crashes)]:
            with up:
                gateway.crash()
            crashes.append(len(feed.events))
    publisher.join()
    checks.check([event["id"] for event in feed.events] == identities, "long polling", len(feed.events))
    checks.check(len(crashes) == len(CRASH_AT), "crashes", crashes)


checks = Checks()
with Gateway() as gateway:
    long(gateway, checks)
    gateway.crash()
    simple(gateway, checks)
checks.close()
