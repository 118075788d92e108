// The signing libraries of npm send to a running gateway: genuine requests are kept, others are not.
import { Webhook as Standard } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as Svix } from "svix";
import { Checks, Gateway } from "./node.mjs";

const KEYS = ["one", "two"].map((name) => `whsec_${Buffer.from(`${name}, a key of 24 bytes..`).toString("base64")}`);
const STRANGER = `whsec_${Buffer.from("a key that nobody knows.").toString("base64")}`;
const OLD_MS = 10 * 60_000;
const stripe = new Stripe("sk_test_unused");

const timed = (prefix, Library) => (key, id, date, body) => ({
  [`${prefix}-id`]: id,
  [`${prefix}-timestamp`]: `${Math.floor(date.getTime() / 1000)}`,
  [`${prefix}-signature`]: new Library(key).sign(id, date, body),
});
const FLOWS = {
  standard: { scheme: "standard-webhooks", headers: timed("webhook", Standard) },
  svix: { scheme: "svix", headers: timed("svix", Svix) },
  stripe: {
    scheme: "stripe",
    headers: (secret, _id, date, payload) => ({
      "stripe-signature": stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: Math.floor(date.getTime() / 1000) }),
    }),
  },
};

KEYS.forEach((key, index) => {
  process.env[`INTEROP_KEY_${index}`] = key;
});
const flows = Object.entries(FLOWS).map(
  ([name, { scheme }]) => `
  ${name}:
    system: them
    receive: { path: /in/${name}, verify: { scheme: ${scheme}, secrets: ["\${env:INTEROP_KEY_0}", "\${env:INTEROP_KEY_1}"] } }
    event: { ${name === "stripe" ? "id: .body.id, " : ""}type: .body.type, data: .body.data }`,
);
const gateway = await Gateway.start(`
subsystem: interop
systems: { them: {} }
flows:${flows.join("")}
`);
const checks = new Checks();
const head = async () => (await (await fetch(`${gateway.admin}/api/v1/status`)).json()).log;

for (const [name, { headers }] of Object.entries(FLOWS)) {
  const send = (key, id, date, body, sentBody = body) =>
    gateway.post(`/in/${name}`, { "content-type": "application/json", ...headers(key, id, date, body) }, sentBody);
  const body = (id) => JSON.stringify({ id, type: "order.created", data: { id, total: 12.5 } });
  for (const [index, key] of KEYS.entries()) {
    const id = `msg_${name}_${index}`;
    const answer = await send(key, id, new Date(), body(id));
    checks.check(answer.status === 200, name, "good", answer);
    const event = await gateway.event(answer.id);
    checks.check(event?.external_id === id && event.data.total === 12.5, name, "kept", event);
    const again = await send(key, id, new Date(), body(id));
    checks.check(again.repeat === true && again.id === answer.id, name, "repeat", again);
  }
  const before = JSON.stringify(await head());
  const refused = [
    ["old", await send(KEYS[0], "msg_old", new Date(Date.now() - OLD_MS), body("msg_old"))],
    ["wrong key", await send(STRANGER, "msg_wrong", new Date(), body("msg_wrong"))],
    ["altered", await send(KEYS[0], "msg_altered", new Date(), body("msg_altered"), body("msg_alterec"))],
  ];
  for (const [what, answer] of refused) checks.check(answer.status === 401, name, what, answer);
  checks.check(JSON.stringify(await head()) === before, name, "something was kept of what was refused");
}
await gateway.stop();
checks.close();
