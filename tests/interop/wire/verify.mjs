// Verifies with the libraries of npm what we signed: genuine requests pass under every key, others do not.
import { createPrivateKey, createPublicKey, verify as verifyEd25519 } from "node:crypto";
import { verify as verifyGithub } from "@octokit/webhooks-methods";
import { Webhook as Standard } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as Svix } from "svix";
import { Checks, lines } from "./bodies.mjs";

const stripe = new Stripe("sk_test_unused");
const throwsNot = (call) => {
  try {
    call();
    return true;
  } catch {
    return false;
  }
};

/** PKCS #8 of an Ed25519 seed (RFC 8410, section 7). */
const fromSeed = (seed) =>
  createPublicKey(createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]), format: "der", type: "pkcs8" }));

const VERIFIERS = {
  "standard-webhooks": (key, headers, body) => {
    if (!key.startsWith("whsk_")) return throwsNot(() => new Standard(key).verify(body, headers));
    const content = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
    const signature = headers["webhook-signature"].split(" ").find((one) => one.startsWith("v1a,"));
    const publicKey = fromSeed(Buffer.from(key.slice("whsk_".length), "base64"));
    return verifyEd25519(null, content, publicKey, Buffer.from(signature.slice("v1a,".length), "base64"));
  },
  svix: (key, headers, body) => throwsNot(() => new Svix(key).verify(body, headers)),
  github: (key, headers, body) => verifyGithub(key, body, headers["x-hub-signature-256"]),
  stripe: (key, headers, body) => throwsNot(() => stripe.webhooks.constructEvent(body, headers["stripe-signature"], key)),
};

const checks = new Checks();
for await (const { scheme, keys, headers, body_base64 } of lines()) {
  const verify = VERIFIERS[scheme];
  if (!verify) continue;
  const body = Buffer.from(body_base64, "base64").toString();
  for (const key of keys) {
    checks.check(await verify(key, headers, body), scheme, "genuine", headers);
    checks.check(!(await verify(key, headers, body.replace("2", "3"))) || !body.includes("2"), scheme, "altered");
  }
  const other = scheme === "github" ? "other" : "whsec_b3RoZXIsIGEga2V5IG9mIDI0IGJ5dGVzLi4=";
  checks.check(!(await verify(other, headers, body)), scheme, "wrong key");
}
checks.close();
