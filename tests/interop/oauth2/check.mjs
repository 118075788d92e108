// Judges what the example tells of its requests.
import { createInterface } from "node:readline";

let passed = 0;
let failed = 0;
const check = (good, ...what) => {
  if (good) passed += 1;
  else {
    failed += 1;
    console.log("failed:", ...what);
  }
};

const EXPECTED = [
  // Eight at once: one token.
  ...Array.from({ length: 8 }, () => ({ case: "at once", status: 200, token: "token-1", style: "basic" })),
  { case: "revoke", status: 200, token: "token-1", style: "basic" },
  { case: "after the revocation", status: 200, token: "token-2", style: "basic" },
  { case: "body", status: 200, token: "token-3", style: "body" },
  { case: "wrong secret", kind: "TokenRefused", blame: "Us" },
];

let number = 0;
for await (const text of createInterface({ input: process.stdin })) {
  const line = JSON.parse(text);
  const expected = EXPECTED[number] ?? {};
  number += 1;
  for (const [name, value] of Object.entries(expected)) check(line[name] === value, expected, line);
  if (expected.status) {
    check(line.scope === "orders.write" && line.audience === "https://api.example", line);
  }
  check(!text.includes("s3cret"), "a secret is shown", line);
}
check(number === EXPECTED.length, number, "lines");
const good = failed === 0 && passed > 0;
console.log(`test result: ${good ? "ok" : "FAILED"}. ${passed} passed; ${failed} failed; 0 ignored`);
process.exitCode = good ? 0 : 1;
