"""Judges what the example tells of its calls."""

import json
import sys

EXPECTED = {
    "one message": {"accepted": 1},
    "a batch": {"accepted": 2, "rejected": 0},
    "a fifo batch": {"accepted": 2, "rejected": 0},
    "received": {"messages": 12, "kinds": 12, "whole": True, "rounds": True},
    "deleted": {"accepted": 12, "rejected": 0},
    "empty": {"messages": 0},
    "events": {"accepted": 2, "rejected": 0},
    "no such queue": {"refused": True, "named": True},
    "wrong secret": {"refused": True, "status": 403},
}

passed = failed = 0
seen = {}
for line in sys.stdin:
    told = json.loads(line)
    seen[told.pop("case")] = told
for case, expected in EXPECTED.items():
    told = seen.get(case, {})
    for name, value in expected.items():
        if told.get(name) == value:
            passed += 1
        else:
            failed += 1
            print("failed:", case, name, value, told)
good = failed == 0 and passed > 0
print(f"test result: {'ok' if good else 'FAILED'}. {passed} passed; {failed} failed; 0 ignored")
sys.exit(0 if good else 1)
