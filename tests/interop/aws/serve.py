"""Runs moto, and looks at the end at what has arrived.

Writes one line that says where it is, then waits until nobody reads any more.
"""

import json
import select
import sys

from world import REGION, World

PATIENCE_MS = 120_000

world = World()
queues = {name: world.queue(name) for name in ("plain", "theirs", "bus")}
queues["fifo"] = world.queue("orders.fifo")
text = {"kind": {"DataType": "String", "StringValue": "order.created"}}
for number in range(12):
    body = f"message {number} é\n"
    world.sqs.send_message(QueueUrl=queues["theirs"], MessageBody=body, MessageAttributes=text)
world.follow_bus("orders", queues["bus"])

told = {"url": world.url, "region": REGION, "key": world.key, "secret": world.secret, "queues": queues}
print(json.dumps(told), flush=True)
reader = select.poll()
reader.register(sys.stdout.fileno(), select.POLLERR)
reader.poll(PATIENCE_MS)
sys.stdout = None


def bodies(name):
    return [message["Body"] for message in world.take_all(queues[name])]


def of_keys(found):
    order = {}
    for body in found:
        order.setdefault(body.rstrip("0123456789"), []).append(body)
    return order


arrived = {
    "plain": sorted(bodies("plain")) == sorted(f"event {number} é\n\"quoted\"" for number in range(12)),
    "fifo": of_keys(bodies("fifo")) == {"a": ["a1", "a2", "a3"], "b": ["b1"], "alone": ["alone"]},
    "bus": sorted(json.loads(body)["detail"]["n"] for body in bodies("bus")) == [0, 1],
    "theirs": bodies("theirs") == [],
}
world.server.stop()
if not all(arrived.values()):
    sys.exit(f"what has arrived is not what was sent: {arrived}")
