"""A running gateway that can be killed, and a count of what was checked."""

import json
import re
import signal
import subprocess
import sys
import urllib.request


def program():
    found = None
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("target", {}).get("name") == "tidegate" and message.get("executable"):
            found = message["executable"]
    return found or sys.exit("cargo did not say where the program is")


class Gateway:
    def __init__(self, path, folder):
        self.command = [path, "run", "--config", str(folder / "tidegate.yaml")]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            public = re.search(r'"listener.public":"([^"]+)"', line)
            if public:
                admin = re.search(r'"listener.admin":"([^"]+)"', line)
                self.url, self.admin = f"http://{public[1]}", f"http://{admin[1]}"
                return
        sys.exit("the gateway did not start")

    def crash(self):
        """Ends it without a word of warning and starts it again on the same data."""
        self.kill()
        self.process.wait()
        self.start()

    def kill(self):
        """Ends it without a word of warning."""
        self.process.send_signal(signal.SIGKILL)

    def ask(self, path):
        with urllib.request.urlopen(f"{self.admin}{path}", timeout=30) as answer:
            return json.loads(answer.read())

    def faults(self):
        return self.ask("/api/v1/faults")["faults"]


class Checks:
    def __init__(self):
        self.passed, self.failed = 0, []

    def check(self, good, *what):
        if good:
            self.passed += 1
        else:
            self.failed.append(what)

    def tell(self):
        """Says how it went, and ends."""
        for what in self.failed:
            print("failed:", *what)
        good = not self.failed and self.passed > 0
        print(f"test result: {'ok' if good else 'FAILED'}. {self.passed} passed; {len(self.failed)} failed; 0 ignored")
        sys.exit(0 if good else 1)
