"""A running gateway takes from a queue and a FIFO queue of moto, and is killed between taking and keeping and
between keeping and deleting: everything is in the log once, and nothing was deleted before it was there."""

import http.client
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from node import Checks, Gateway, program
from world import REGION, World

MESSAGES = 60
# Twice as many as messages in one answer: of several messages of a group that were handed out together and not
# deleted, moto hands out the last one first.
GROUPS = 20
# A message that was taken and not deleted comes again after this.
HIDDEN_S = 2
PATIENCE_S = 120
CONFIG = """
subsystem: interop
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0" }}
data: {folder}/data
logging: {{ format: json }}
systems: {{ aws: {{ url: "{url}", private-ranges: [127.0.0.1] }} }}
flows:
  plain: {{ system: aws, poll: {{ sqs: {{ queue-url: "{plain}", {key}, wait: 1s }} }}, event: {event} }}
  fifo: {{ system: aws, poll: {{ sqs: {{ queue-url: "{fifo}", {key}, wait: 1s }} }}, event: {event} }}
"""
EVENT = """{ type: '"order." + .headers.kind', key: '.headers["sqs-message-group-id"] // ""', data: .body }"""


class Between(ThreadingHTTPServer):
    """Stands between gateway and moto: sees what was taken and what shall be deleted, and kills at will."""

    daemon_threads = True

    def __init__(self, moto):
        super().__init__(("127.0.0.1", 0), Handler)
        self.moto = urlsplit(moto).netloc
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        # One hand-out of a queue at a time: moto looks only when a call begins which groups of a FIFO queue are in
        # hand, and the call of a gateway that was killed still waits there.
        self.handing_out = {}
        # Message ids by the handle they can be deleted with, and how often each message was handed out.
        self.handles, self.taken = {}, {}
        self.deletions = 0
        self.too_early = []
        # What the next calls are to end in: the process is killed, behind a hand-out or before a deletion.
        self.kills = {"ReceiveMessage": 0, "DeleteMessageBatch": 0}
        self.killed = {"ReceiveMessage": 0, "DeleteMessageBatch": 0}

    def handle_error(self, request, client_address):
        """A connection breaks when the gateway is killed; anything else is told."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def must_kill(self, action):
        with self.lock:
            if not self.kills.get(action):
                return False
            self.kills[action] -= 1
            self.killed[action] += 1
            return True

    def turn(self, queue):
        with self.lock:
            return self.handing_out.setdefault(queue, threading.Lock())

    def took(self, answer):
        with self.lock:
            for message in answer.get("Messages", []):
                self.handles[message["ReceiptHandle"]] = message["MessageId"]
                self.taken[message["MessageId"]] = self.taken.get(message["MessageId"], 0) + 1

    def deletes(self, asked):
        """Looks whether all of them are in the log at this moment."""
        durable = {event["external_id"] for event in events()}
        with self.lock:
            ids = [self.handles[entry["ReceiptHandle"]] for entry in asked["Entries"]]
            self.deletions += len(ids)
            self.too_early += [identity for identity in ids if identity not in durable]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        between = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        action = self.headers["x-amz-target"].rpartition(".")[2]
        if action == "DeleteMessageBatch":
            try:
                between.deletes(json.loads(body))
            except OSError:
                # The gateway was killed meanwhile: it hears no answer, and nothing is deleted.
                self.close_connection = True
                return
            if between.must_kill(action):
                gateway.kill()
                self.close_connection = True
                return
        killed = False
        if action == "ReceiveMessage":
            with between.turn(json.loads(body)["QueueUrl"]):
                status, answer = self.forward(body)
            if status == 200:
                given = json.loads(answer)
                between.took(given)
                killed = bool(given.get("Messages")) and between.must_kill(action)
        else:
            status, answer = self.forward(body)
        try:
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.0")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except OSError:
            # The gateway was killed meanwhile.
            self.close_connection = True
        if killed:
            gateway.kill()

    def forward(self, body):
        """As it came: it is signed, with the address of this server in it."""
        moto = http.client.HTTPConnection(self.server.moto, timeout=30)
        moto.putrequest("POST", self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            moto.putheader(name, value)
        moto.endheaders(body)
        answer = moto.getresponse()
        found = answer.status, answer.read()
        moto.close()
        return found


def events():
    return gateway.ask("/api/v1/events?order=oldest&limit=1000")["events"]


def send(numbers):
    """The same messages to both queues; gives nothing, their bodies are numbers."""
    kind = {"kind": {"DataType": "String", "StringValue": "created"}}
    for number in numbers:
        body = json.dumps({"number": number, "note": "Jörg"})
        world.sqs.send_message(QueueUrl=queues["plain"], MessageBody=body, MessageAttributes=kind)
        fifo = {"MessageGroupId": f"group-{number % GROUPS}", "MessageDeduplicationId": f"message-{number}"}
        world.sqs.send_message(QueueUrl=queues["fifo"], MessageBody=body, MessageAttributes=kind, **fifo)


def wait(what, done):
    """Until it is so, or nobody believes in it any more; a gateway that was killed is started again."""
    late = time.monotonic() + PATIENCE_S
    while not done():
        if gateway.process.poll() is not None:
            gateway.start()
        if time.monotonic() > late:
            checks.check(False, "waited too long for", what)
            return
        time.sleep(0.1)
    if gateway.process.poll() is not None:
        gateway.start()


def emptied():
    return all(world.left(queue) == 0 for queue in queues.values())


world, checks = World(), Checks()
between = Between(world.url)
threading.Thread(target=between.serve_forever, daemon=True).start()
hidden = {"VisibilityTimeout": str(HIDDEN_S)}
queues = {"plain": world.queue("source", **hidden), "fifo": world.queue("source.fifo", **hidden)}
addresses = {name: between.url + urlsplit(queue).path for name, queue in queues.items()}
folder = Path(tempfile.mkdtemp(prefix="tidegate-interop-"))
os.environ.update(INTEROP_SECRET=world.secret)
key = f'region: {REGION}, access-key: {world.key}, secret-key: "${{env:INTEROP_SECRET}}"'
config = CONFIG.format(folder=folder, url=between.url, key=key, event=EVENT, **addresses)
(folder / "tidegate.yaml").write_text(config)
gateway = Gateway(program(), folder)
try:
    third = MESSAGES // 3
    send(range(third))
    wait("the first messages", emptied)
    for part, action in enumerate(("DeleteMessageBatch", "ReceiveMessage")):
        with between.lock:
            between.kills[action] = 2
        send(range((part + 1) * third, (part + 2) * third))
        wait(f"two kills at {action}", lambda: between.killed[action] >= 2)
        wait("all messages", emptied)
    found = events()
    faults = gateway.faults()
finally:
    gateway.process.kill()
    gateway.process.wait()
    between.shutdown()
    shutil.rmtree(folder)
    world.server.stop()

checks.check(between.too_early == [], "deleted before they were in the log", between.too_early)
checks.check(between.deletions >= 2 * MESSAGES, "deletions", between.deletions)
again = [identity for identity, times in between.taken.items() if times > 1]
checks.check(again, "no message came twice, so nothing was shown")
checks.check(faults == [], "faults", faults)
for flow in queues:
    mine = [event for event in found if event["flow"] == flow]
    ids = [event["external_id"] for event in mine]
    checks.check(len(ids) == len(set(ids)) == MESSAGES, flow, "in the log", len(ids), len(set(ids)))
    numbers = sorted(event["data"]["number"] for event in mine)
    checks.check(numbers == list(range(MESSAGES)), flow, "numbers", numbers)
    checks.check({event["type"] for event in mine} == {"order.created"}, flow, "types")
of_groups = {}
for event in found:
    if event["flow"] == "fifo":
        of_groups.setdefault(event["key"], []).append(event["data"]["number"])
expected = {f"group-{group}": list(range(group, MESSAGES, GROUPS)) for group in range(GROUPS)}
checks.check(of_groups == expected, "order in the groups of the FIFO queue", of_groups)
checks.tell()
