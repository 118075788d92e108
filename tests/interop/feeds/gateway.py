"""A running gateway with a feed, and counting checks."""

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

CONFIG = """
subsystem: interop
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0" }}
data: {folder}/data
logging: {{ format: json }}
systems: {{ shop: {{}} }}
services:
  warehouse: {{ token: "${{file:{folder}/warehouse}}", publish: ["*"] }}
flows:
  stock:
    system: shop
    serve:
      path: /out/stock
      on: [stock.*]
      page-max: 20
      consumers: {{ shop: {{ token: "${{file:{folder}/shop}}" }} }}
"""
PUBLISHER = "a token of the warehouse"
READER = "a token of the shop"


def program():
    """Where cargo says the program is."""
    found = None
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("target", {}).get("name") == "tidegate" and message.get("executable"):
            found = message["executable"]
    return found or sys.exit("cargo did not say where the program is")


class Gateway:
    def __enter__(self):
        self.program = program()
        self.folder = Path(tempfile.mkdtemp(prefix="tidegate-interop-"))
        (self.folder / "warehouse").write_text(PUBLISHER)
        (self.folder / "shop").write_text(READER)
        (self.folder / "tidegate.yaml").write_text(CONFIG.format(folder=self.folder))
        self.start()
        return self

    def start(self):
        command = [self.program, "run", "--config", str(self.folder / "tidegate.yaml")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            found = re.search(r'"listener.public":"([^"]+)"', line)
            if found:
                self.url = f"http://{found[1]}"
                return
        sys.exit("the gateway did not start")

    def crash(self):
        """Ends it without a word of warning and starts it again on the same data."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)

    def publish(self, kind, number):
        event = {
            "specversion": "1.0",
            "id": f"{kind}-{number}",
            "source": "/warehouse",
            "type": kind,
            "subject": f"sku/{number}",
            "datacontenttype": "application/json",
            "data": {"number": number, "note": "Jörg"},
        }
        request = urllib.request.Request(f"{self.url}/v1/events", data=json.dumps(event).encode(), method="POST")
        request.add_header("authorization", f"Bearer {PUBLISHER}")
        request.add_header("content-type", "application/cloudevents+json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())["id"]

    def get(self, path):
        """The body of an answer and its headers."""
        request = urllib.request.Request(self.url + path)
        request.add_header("authorization", f"Bearer {READER}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read(), answer.headers


class Checks:
    """Says at the end how many checks passed, in the words of Rust's test programs."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, good, *what):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print("failed:", *what)

    def close(self):
        good = self.failed == 0 and self.passed > 0
        print(f"test result: {'ok' if good else 'FAILED'}. {self.passed} passed; {self.failed} failed; 0 ignored")
        sys.exit(0 if good else 1)
