"""Judges what the example tells of its calls."""

import json
import sys

ACCEPTED = "accepted"
EXPECTED = {
    "a queue": {"results": [ACCEPTED] * 5 + ["event"] + [ACCEPTED] * 7, "calls": 2, "failure": None},
    "a fifo queue": {"results": [ACCEPTED] * 5, "calls": 3, "failure": None},
    "the same again": {"results": [ACCEPTED] * 5, "calls": 3, "failure": None},
    "a source": {"messages": 12, "whole": 13, "again": 1, "deleted": 12, "left": 0},
    "a source that is not there": {"named": True},
    "a bus": {"results": [ACCEPTED, "event", ACCEPTED], "calls": 1, "failure": None},
    "no such queue": {"results": ["access"], "calls": 1, "failure": None},
    "wrong secret": {"results": ["access"], "calls": 1, "failure": None},
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
