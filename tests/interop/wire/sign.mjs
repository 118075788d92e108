// Signs with the libraries of npm and writes each signed request with the verdict it deserves.
import { createHmac, generateKeyPairSync, sign as signEd25519 } from "node:crypto";
import { createRequire } from "node:module";
import { sign as signGithub } from "@octokit/webhooks-methods";
import { Webhook as Standard } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as Svix } from "svix";
import { BODIES, base64, emit } from "./bodies.mjs";

const SECONDS = 1_770_000_000;
const NOW = SECONDS * 1000;
const TOLERANCE_MS = 300_000;
const ID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
const require = createRequire(import.meta.url);
const octokitExamples = ["api.github.com", "ghes-31", "ghes-32", "ghes-33", "ghes-34", "ghes-35"]
  .flatMap((host) => require(`@octokit/webhooks-examples/${host}/index.json`))
  .flatMap(({ examples }) => examples.map((example) => JSON.stringify(example)));

const standardKeys = ["one", "two", "three"].map((name) => `whsec_${base64(`${name}, a key of 24 bytes..`)}`);
const plainKeys = ["first key, 32 bytes or thereabout", "It's a Secret to Everybody", "ключ"];

const standardHeaders = (prefix, Library) => async (key, body) => ({
  [`${prefix}-id`]: ID,
  [`${prefix}-timestamp`]: `${SECONDS}`,
  [`${prefix}-signature`]: await new Library(key).sign(ID, new Date(NOW), body),
});
const stripe = new Stripe("sk_test_unused");
const hmac = (hash, key, text, encoding) => createHmac(hash, key).update(text).digest(encoding);

// Standard Webhooks with Ed25519: no library of npm signs it, so OpenSSL does, by way of Node.
const pairs = Array.from({ length: 3 }, () => generateKeyPairSync("ed25519"));
const jwk = (pair) => pair.privateKey.export({ format: "jwk" });
const raw = (text) => Buffer.from(text, "base64url");
const publicKeys = pairs.map((pair) => `whpk_${base64(raw(jwk(pair).x))}`);

const SCHEMES = [
  { library: "npm standardwebhooks", scheme: "standard-webhooks", keys: standardKeys, timed: true, sign: standardHeaders("webhook", Standard), listed: ["webhook-signature", " "] },
  { library: "npm svix", scheme: "svix", keys: standardKeys, timed: true, sign: standardHeaders("svix", Svix), listed: ["svix-signature", " "] },
  { library: "npm svix with webhook headers", scheme: "svix", keys: standardKeys, timed: true, sign: standardHeaders("webhook", Svix), listed: ["webhook-signature", " "] },
  {
    library: "node:crypto Ed25519",
    scheme: "standard-webhooks",
    keys: publicKeys,
    timed: true,
    listed: ["webhook-signature", " "],
    sign: async (key, body) => {
      const signature = signEd25519(null, Buffer.from(`${ID}.${SECONDS}.${body}`), pairs[publicKeys.indexOf(key)].privateKey);
      return { "webhook-id": ID, "webhook-timestamp": `${SECONDS}`, "webhook-signature": `v1a,${base64(signature)}` };
    },
  },
  { library: "npm @octokit/webhooks-methods", scheme: "github", keys: plainKeys, sign: async (key, body) => ({ "x-hub-signature-256": await signGithub(key, body) }) },
  {
    library: "npm stripe",
    scheme: "stripe",
    keys: standardKeys,
    timed: true,
    sign: async (secret, payload) => ({ "stripe-signature": stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: SECONDS }) }),
  },
  { library: "node:crypto", scheme: "shopify", keys: plainKeys, sign: async (key, body) => ({ "x-shopify-hmac-sha256": hmac("sha256", key, body, "base64") }) },
  {
    library: "node:crypto",
    scheme: "hmac",
    hmac: { header: "x-signature", algorithm: "sha512", encoding: "base64", prefix: "sig ", template: "{method} {path} {header:x-time} {timestamp}\n{body}", timestamp: "x-time" },
    keys: plainKeys,
    timed: true,
    sign: async (key, body) => ({ "x-time": `${SECONDS}`, "x-signature": `sig ${hmac("sha512", key, `POST /in/interop ${SECONDS} ${SECONDS}\n${body}`, "base64")}` }),
  },
  { library: "node:crypto", scheme: "hmac", hmac: { header: "x-hub-signature", algorithm: "sha1", encoding: "hex", prefix: "sha1=", template: "{body}" }, keys: plainKeys, sign: async (key, body) => ({ "x-hub-signature": `sha1=${hmac("sha1", key, body, "hex")}` }) },
];

/** The body with one bit of one byte changed. */
function altered(body, at) {
  const bytes = Buffer.from(body);
  bytes[at < 0 ? bytes.length + at : at] ^= 1;
  return bytes;
}

for (const { library, scheme, hmac: generic, keys, timed, sign, listed } of SCHEMES) {
  for (const body of BODIES) {
    const [key, other, third] = keys;
    const headers = await sign(key, body);
    const line = (name, expect, change = {}) =>
      emit({ library, scheme, ...(generic && { hmac: generic }), case: name, keys: [key], now: NOW, headers, body_base64: base64(body), expect, ...change });
    line("good", "key 0");
    line("rotated, old key second", "key 1", { keys: [other, key] });
    line("wrong key", "mismatch", { keys: [other] });
    line("wrong keys", "mismatch", { keys: [other, third] });
    for (const at of [0, Math.floor(Buffer.byteLength(body) / 2), -1]) {
      line(`altered at ${at}`, "mismatch", { body_base64: base64(altered(body, at)) });
    }
    line("cut", "mismatch", { body_base64: base64(body.slice(0, -1)) });
    if (timed) {
      line("old but in time", "key 0", { now: NOW + TOLERANCE_MS });
      line("old", "too-old", { now: NOW + TOLERANCE_MS + 1 });
      line("from the future", "too-new", { now: NOW - TOLERANCE_MS - 1 });
      line("old and altered", "mismatch", { now: NOW + TOLERANCE_MS + 1, body_base64: base64(altered(body, 0)) });
    }
    if (listed) {
      const [name, separator] = listed;
      const both = { ...headers, [name]: [(await sign(other, body))[name], headers[name]].join(separator) };
      line("signed with both keys", "key 0", { headers: both });
      line("signed with both keys, both known", "key 0", { keys: [other, key], headers: both });
    }
  }
}

for (const body of octokitExamples) {
  emit({ library: "npm @octokit/webhooks-examples", scheme: "github", case: "payload", keys: plainKeys.slice(0, 1), now: NOW, headers: { "x-hub-signature-256": await signGithub(plainKeys[0], body) }, body_base64: base64(body), expect: "key 0" });
}
