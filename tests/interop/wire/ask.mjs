// Writes what we are to sign. Libraries compare timestamps with their clock, so it is signed now.
import { BODIES, base64, emit } from "./bodies.mjs";

const now = Date.now();
const standard = (name) => `whsec_${base64(`${name}, a key of 24 bytes..`)}`;
const SCHEMES = {
  "standard-webhooks": [standard("one"), standard("two")],
  svix: [standard("one"), standard("two")],
  github: ["It's a Secret to Everybody"],
  stripe: [standard("one"), standard("two")],
  slack: ["8f742231b10e8888abcd99yyyzzz85a5"],
};

for (const [scheme, keys] of Object.entries(SCHEMES)) {
  for (const body of BODIES) {
    emit({ library: "", case: "ours", scheme, keys, id: "msg_ours-1", now, body_base64: base64(body) });
  }
}
// Ed25519: the first key signs beside an HMAC key; OpenSSL verifies.
const seed = Buffer.alloc(32, 7);
for (const body of BODIES) {
  emit({ library: "", case: "Ed25519", scheme: "standard-webhooks", keys: [`whsk_${base64(seed)}`, standard("one")], id: "msg_ours-1", now, body_base64: base64(body) });
}
