"""A running gateway delivers to a queue, a FIFO queue and a bus of moto, through crashes: everything
arrives, in order for each key, and what cannot be sent is set aside without holding up the rest."""

import base64
import json
import os
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path

from node import Checks, Gateway, program
from world import REGION, World

EVENTS = 60
KEYS = 6
PATIENCE_S = 120
TOKEN = "a token of the shop"
CONFIG = """
subsystem: interop
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0" }}
data: {folder}/data
logging: {{ format: json }}
systems: {{ aws: {{ url: "{url}", private-ranges: [127.0.0.1] }} }}
services: {{ shop: {{ token: "${{env:INTEROP_TOKEN}}", publish: ["*"] }} }}
flows:
  plain:
    system: aws
    deliver:
      on: [order.*]
      start: oldest
      to: {{ sqs: {{ queue-url: "{plain}", {key}, attributes: {{ kind: .type }} }} }}
  fifo:
    system: aws
    deliver: {{ on: [order.*], start: oldest, to: {{ sqs: {{ queue-url: "{fifo}", {key} }} }} }}
  bus:
    system: aws
    deliver:
      on: [order.*]
      start: oldest
      to: {{ event-bridge: {{ bus: default, source: orders, {key} }} }}
"""


def publish(identity, key, data):
    event = {
        "specversion": "1.0",
        "id": identity,
        "source": "/shop",
        "type": "order.created",
        "partitionkey": key,
        "datacontenttype": "application/json",
        **data,
    }
    request = urllib.request.Request(f"{gateway.url}/v1/events", data=json.dumps(event).encode(), method="POST")
    request.add_header("authorization", f"Bearer {TOKEN}")
    request.add_header("content-type", "application/cloudevents+json")
    urllib.request.urlopen(request, timeout=30).read()


def numbers(found):
    """The numbers of each key, in the order in which they came, repeats left out."""
    order = {}
    for data in found:
        of_key = order.setdefault(data["key"], [])
        if data["number"] not in of_key:
            of_key.append(data["number"])
    return order


def distinct(name):
    """What has arrived, repeats left out."""
    bodies = (json.loads(message["Body"]) for message in found[name])
    return {json.dumps(body["detail"] if name == "bus" else body) for body in bodies}


world, checks = World(), Checks()
queues = {"plain": world.queue("plain"), "fifo": world.queue("orders.fifo"), "bus": world.queue("bus")}
world.follow_bus("orders", queues["bus"])
folder = Path(tempfile.mkdtemp(prefix="tidegate-interop-"))
os.environ.update(INTEROP_TOKEN=TOKEN, INTEROP_SECRET=world.secret)
key = f'region: {REGION}, access-key: {world.key}, secret-key: "${{env:INTEROP_SECRET}}"'
(folder / "tidegate.yaml").write_text(
    CONFIG.format(folder=folder, url=world.url, key=key, plain=queues["plain"], fifo=queues["fifo"])
)
gateway = Gateway(program(), folder)
try:
    for number in range(EVENTS):
        key = f"key-{number % KEYS}"
        publish(f"order-{number}", key, {"data": {"number": number, "key": key, "note": "Jörg"}})
        if number in (EVENTS // 3, 2 * EVENTS // 3):
            # Bytes that are no text go nowhere; a list goes to queues, and to no bus.
            publish(f"bytes-{number}", f"bytes-{number}", {"data_base64": base64.b64encode(b"\xff").decode()})
            gateway.crash()
    publish("list", "list", {"data": [1]})
    found = {name: [] for name in queues}
    faults = []
    late = time.monotonic() + PATIENCE_S
    wanted = {"plain": EVENTS + 1, "fifo": EVENTS + 1, "bus": EVENTS}
    while time.monotonic() < late:
        for name, queue in queues.items():
            found[name] += world.take_all(queue)
        faults = gateway.faults()
        if len(faults) >= 7 and all(len(distinct(name)) >= count for name, count in wanted.items()):
            break
finally:
    gateway.process.kill()
    gateway.process.wait()
    shutil.rmtree(folder)
    world.server.stop()

bodies = {name: [json.loads(message["Body"]) for message in messages] for name, messages in found.items()}
for name in ("plain", "fifo"):
    checks.check([1] in bodies[name], name, "the list")
    bodies[name] = [data for data in bodies[name] if data != [1]]
bodies["bus"] = [entry["detail"] for entry in bodies["bus"]]
expected = {f"key-{key}": list(range(key, EVENTS, KEYS)) for key in range(KEYS)}
checks.check(numbers(bodies["fifo"]) == expected, "order in the FIFO queue", numbers(bodies["fifo"]))
checks.check(len(bodies["fifo"]) == EVENTS, "repeats in the FIFO queue", len(bodies["fifo"]))
# Neither keeps an order of its own: what is compared is the set.
for name in ("plain", "bus"):
    as_sets = {key: sorted(of_key) for key, of_key in numbers(bodies[name]).items()}
    checks.check(as_sets == expected, name, as_sets)
for message in found["plain"]:
    attributes = {key: value["StringValue"] for key, value in message["MessageAttributes"].items()}
    checks.check(attributes.get("kind") == "order.created", "attributes", attributes)
    checks.check(attributes.get("idempotency-key"), "attributes", attributes)
for message in found["fifo"]:
    data, attributes = json.loads(message["Body"]), message["Attributes"]
    checks.check(attributes["MessageGroupId"] == (data["key"] if data != [1] else "list"), "group", attributes)
    known = message["MessageAttributes"]["idempotency-key"]["StringValue"]
    checks.check(attributes["MessageDeduplicationId"] == known, "deduplication id", attributes)
for entry in (json.loads(message["Body"]) for message in found["bus"]):
    checks.check((entry["source"], entry["detail-type"]) == ("orders", "order.created"), "entry", entry)
flows = sorted(fault["flow"] for fault in faults)
checks.check(flows == ["bus"] * 3 + ["fifo"] * 2 + ["plain"] * 2, "faults", faults)
for fault in faults:
    checks.check((fault["cause"], fault["blame"]) == ("rejected", "us"), "fault", fault)
checks.tell()
