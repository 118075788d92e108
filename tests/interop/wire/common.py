"""What the Python scripts share: JSON lines in and out, and counting checks."""

import base64
import json
import sys


def lines():
    """The JSON lines of standard input."""
    for line in sys.stdin:
        yield json.loads(line)


def emit(line):
    """Writes one JSON line."""
    print(json.dumps(line))


def encode(data):
    """Text or bytes in base64."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


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
        word = "ok" if good else "FAILED"
        print(f"test result: {word}. {self.passed} passed; {self.failed} failed; 0 ignored")
        sys.exit(0 if good else 1)
