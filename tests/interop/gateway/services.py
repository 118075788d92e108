"""PyPI cloudevents publishes in both its modes and reads the subscription."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from cloudevents.core.bindings.http import HTTPMessage, from_structured, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

FORMAT = JSONFormat()
TOKEN = "a token of the checkout"
CONFIG = """
subsystem: interop
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0" }}
data: {data}
logging: {{ format: json }}
services:
  checkout: {{ token: "${{env:INTEROP_TOKEN}}", publish: [order.*], subscribe: {{ all: [order.*] }} }}
"""


def program():
    """Where cargo says the program is."""
    found = None
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("target", {}).get("name") == "tidegate" and message.get("executable"):
            found = message["executable"]
    return found or sys.exit("cargo did not say where the program is")


def request(url, headers=None, body=None, method=None):
    asked = urllib.request.Request(url, data=body, method=method)
    for name, value in {"authorization": f"Bearer {TOKEN}", **(headers or {})}.items():
        asked.add_header(name, value)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return answer.status, answer.headers, json.loads(answer.read())


def checks_of(url):
    """Yields whether each thing is as it should be, and what it is."""
    ids = []
    for number, write in enumerate((to_binary, to_structured)):
        attributes = {
            "id": f"py-{number}",
            "source": "/checkout",
            "type": "order.created",
            "subject": f"order/{number}",
            "datacontenttype": "application/json",
        }
        message = write(CloudEvent(attributes, {"order": number, "note": "Jörg"}), FORMAT)
        status, _, answer = request(f"{url}/v1/events", message.headers, message.body)
        yield status == 200 and "id" in answer, f"publish {number}"
        ids.append(answer["id"])
        _, _, again = request(f"{url}/v1/events", message.headers, message.body)
        yield again == {"id": answer["id"], "repeat": True}, f"repeat {number}"
    _, headers, page = request(f"{url}/v1/subscriptions/all")
    yield [event["id"] for event in page] == ids, "the page has both, in order"
    structured = {"content-type": "application/cloudevents+json"}
    for number, event in enumerate(page):
        read = from_structured(HTTPMessage(structured, json.dumps(event).encode()), FORMAT)
        same = read.get_subject() == f"order/{number}" and read.get_data()["order"] == number
        yield same, f"the library reads {number}"
    cursor = headers["tidegate-cursor"].encode()
    status, _, _ = request(f"{url}/v1/subscriptions/all/cursor", {}, cursor, "PUT")
    yield status == 200, "acknowledge"
    _, _, page = request(f"{url}/v1/subscriptions/all")
    yield page == [], "what was acknowledged does not come again"


def main():
    folder = Path(tempfile.mkdtemp(prefix="tidegate-interop-"))
    config = folder / "tidegate.yaml"
    config.write_text(CONFIG.format(data=folder / "data"))
    environment = {**os.environ, "INTEROP_TOKEN": TOKEN}
    command = [program(), "run", "--config", str(config)]
    gateway = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        ready = next(line for line in gateway.stdout if "listener.public" in line)
        url = "http://" + re.search(r'"listener\.public":"([^"]+)"', ready).group(1)
        outcomes = list(checks_of(url))
    finally:
        gateway.terminate()
        gateway.wait(timeout=30)
        shutil.rmtree(folder)
    for good, what in outcomes:
        if not good:
            print("failed:", what)
    failed = sum(not good for good, _ in outcomes)
    word = "FAILED" if failed or not outcomes else "ok"
    print(f"test result: {word}. {len(outcomes) - failed} passed; {failed} failed; 0 ignored")
    sys.exit(0 if word == "ok" else 1)


main()
