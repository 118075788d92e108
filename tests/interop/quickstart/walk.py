"""Walks through docs/src/quickstart.md: runs its commands as they are written, in their order, and checks what
it says of them. Only the ports are others, and the program is the one that cargo has just built."""

import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATIENCE_SECONDS = 60
# Commands that do not end, and the port on which they listen then.
SERVERS = {"-- run": "7400", "receiver.py": "7500", "http.server": "7600"}
PORTS = ["7400", "7401", "7500", "7600"]


class Checks:
    """Says at the end how many checks passed, in the words of Rust's test programs."""

    passed = failed = 0

    def check(self, good, *what):
        self.passed += bool(good)
        self.failed += not good
        if not good:
            print("failed:", *what)

    def close(self):
        good = self.failed == 0 and self.passed > 0
        print(f"test result: {'ok' if good else 'FAILED'}. {self.passed} passed; {self.failed} failed; 0 ignored")
        sys.exit(0 if good else 1)


def built():
    """The program and the root of the sources, by what cargo says."""
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("target", {}).get("name") == "tidegate" and message.get("executable"):
            return message["executable"], Path(message["manifest_path"]).parents[2]
    sys.exit("cargo did not say where the program is")


class Walk:
    def __init__(self):
        self.program, root = built()
        self.folder = Path(tempfile.mkdtemp(prefix="tidegate-quickstart-"))
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
        self.ports = {port: str(it.getsockname()[1]) for port, it in zip(PORTS, sockets)}
        for it in sockets:
            it.close()
        shutil.copytree(root / "examples/quickstart", self.folder / "examples/quickstart")
        for file in (self.folder / "examples/quickstart").rglob("*"):
            if file.suffix in (".yaml", ".py"):
                file.write_text(self.ported(file.read_text()))
        self.text = (root / "docs/src/quickstart.md").read_text()
        self.servers = []

    def ported(self, text):
        for port, other in self.ports.items():
            text = re.sub(rf"\b{port}\b", other, text)
        return text

    def commands(self):
        """The blocks of commands, each under its heading."""
        heading = ""
        for found in re.finditer(r"^## ([^\n]+)$|^```sh\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL):
            heading = found[1] or heading
            if found[2]:
                yield heading, found[2]

    def run(self, block):
        """Runs a block; a command that does not end is left running once it listens."""
        server = next((port for sign, port in SERVERS.items() if sign in block), None)
        block = self.ported(block)
        block = block.replace("cargo run --release -- ", f"{self.program} ")
        configured = f"{self.program} --config examples/quickstart/tidegate.yaml "
        block = re.sub(r"^tidegate ", configured, block, flags=re.MULTILINE)
        # What a reader installs, this suite has pinned.
        block = re.sub(r"^python3 -m venv .*$", "", block, flags=re.MULTILINE)
        block = block.replace("/tmp/receiver/bin/python", sys.executable)
        if server is None:
            command = ["bash", "-euc", block]
            done = subprocess.run(
                command, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
            )
            return done.stdout
        log = self.folder / f"{server}.log"
        with log.open("w") as out:
            child = subprocess.Popen(["bash", "-euc", f"exec {block.strip()}"], cwd=self.folder, stdout=out, stderr=out)
        self.servers.append(child)
        self.until(lambda: listens(int(self.ports[server])), f"{block} does not listen")
        return log

    def until(self, condition, what):
        late = time.monotonic() + PATIENCE_SECONDS
        while not (result := condition()):
            if time.monotonic() > late:
                self.close()
                sys.exit(f"failed: {what}")
            time.sleep(0.05)
        return result

    def events(self, kind):
        printed = self.run(f"tidegate events search --json --type '{kind}'")
        return json.loads(printed)

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()
        shutil.rmtree(self.folder)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def check(walk, checks, heading, block):
    """Runs one block and checks what the text says of it."""
    if heading == "Your own configuration":
        # The last line would run a second gateway.
        block = "".join(block.splitlines(keepends=True)[:-1])
    printed = walk.run(block)
    if heading == "Webhooks in":
        for outcome, count in [("kept", 8), ("fault", 1), ("repeat", 1)]:
            found = len(re.findall(rf"^\d+ {outcome} ", printed, re.MULTILINE))
            checks.check(found == count, outcome, found, printed)
    elif heading == "Look at them":
        checks.check("payment.payment_intent.succeeded" in printed, "no payments", printed)
        checks.check("partner-events" in printed, "no fault", printed)
    elif heading == "Signed deliveries out" and "receiver.py" in block:
        payments = {event["id"]: event["type"] for event in walk.events("payment.*")}
        lines = walk.until(lambda: verified(printed, len(payments)), f"the receiver has {printed.read_text()}")
        checks.check({line[1]: line[2] for line in lines} == payments, "other payments", lines, payments)
        tried = walk.run("tidegate send payments-to-bookkeeping --json")
        tried = json.loads(tried)
        checks.check(tried["outcome"] == "delivered", tried)
        walk.until(lambda: len(verified(printed, 3)) == 3, "the sample does not arrive")
        checks.check(len(walk.events("payment.*")) == len(payments), "the trial was kept")
    elif heading == "Signed deliveries out":
        delivered = walk.until(lambda: len(walk.events("ledger.*")) == 2, "nothing was delivered to the ledger")
        checks.check(delivered, "ledger")
        checks.check("payments-to-ledger" in printed, printed)
    elif heading == "A list that is polled":
        products = walk.until(lambda: walk.events("product.*"), "nothing was polled")
        checks.check(sorted(event["key"] for event in products) == ["BUOY-3", "LAMP-1", "ROPE-12"], products)
        tried = json.loads(walk.run("tidegate send products --json"))["page"]["items"]
        kept = {event["id"] for event in products}
        checks.check({item["id"] for item in tried} == kept, "a trial makes other events", tried)
        checks.check(len(walk.events("product.*")) == len(products), "the trial was kept")
    elif heading == "A feed for others":
        checks.check(printed.count('"specversion"') == 3, "not three events", printed)
        checks.check(re.search(r"^link: <", printed, re.MULTILINE | re.IGNORECASE), "no next page", printed)
    elif heading == "As one of your services":
        checks.check('"type":"order.created"' in printed, "the subscription does not give it", printed)
        checks.check("tidegate-cursor: " in printed.lower(), "no cursor", printed)
    elif heading == "Your own configuration":
        checks.check((walk.folder / "tidegate.yaml").exists(), "no starter", printed)
    elif heading != "Run it":
        checks.check(False, "no check knows the heading", heading)


def verified(log, wanted):
    lines = [line.split() for line in log.read_text().splitlines() if line.startswith("verified ")]
    return lines if len(lines) >= wanted else []


checks = Checks()
walk = Walk()
try:
    for heading, block in walk.commands():
        check(walk, checks, heading, block)
finally:
    walk.close()
checks.close()
