// A running gateway delivers, and the verifying libraries of npm take what it sends: through answers that
// fail, through crashes, and only what is genuine.
import { createServer } from "node:http";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";
import { Checks, Gateway } from "./node.mjs";

const EVENTS = 60;
const KEYS = 6;
const SECRET = `whsec_${Buffer.from("a key that both sides know").toString("base64")}`;
const STRANGER = `whsec_${Buffer.from("a key that nobody knows.").toString("base64")}`;
process.env.INTEROP_SECRET = SECRET;
process.env.INTEROP_TOKEN = "a token of the shop";

const checks = new Checks();
const libraries = [new Standard(SECRET), new Svix(SECRET)];
const taken = new Map();
const order = new Map();
let requests = 0;
let wake = () => {};

function verified(body, headers) {
  return libraries.every((library) => {
    try {
      library.verify(body, headers);
      return true;
    } catch {
      return false;
    }
  });
}

const sink = createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  requests += 1;
  const good = verified(body, request.headers);
  checks.check(good, "a request is not genuine", request.headers);
  let forged = false;
  try {
    new Standard(STRANGER).verify(body, request.headers);
    forged = true;
  } catch {
    // As it should be.
  }
  checks.check(!forged, "a stranger's key verifies");
  // Every fifth request fails in one of several ways.
  if (requests % 5 === 0) {
    if (requests % 2) return request.socket.destroy();
    return response.writeHead(503, { "retry-after": "0" }).end();
  }
  const { id, key } = JSON.parse(body);
  const name = request.headers["webhook-id"];
  checks.check(name === request.headers["idempotency-key"], "two names for one message", name);
  if (!taken.has(name)) {
    taken.set(name, id);
    order.set(key, [...(order.get(key) ?? []), id]);
  }
  response.writeHead(200).end("{}");
  wake();
});
await new Promise((resolve) => sink.listen(0, "127.0.0.1", resolve));

const gateway = await Gateway.start(`
subsystem: interop
systems: { them: { url: "http://127.0.0.1:${sink.address().port}", private-ranges: [127.0.0.1] } }
services: { shop: { token: "\${env:INTEROP_TOKEN}", publish: ["*"] } }
flows:
  orders:
    system: them
    deliver:
      on: [order.*]
      sign: { scheme: standard-webhooks, secret: "\${env:INTEROP_SECRET}" }
      retry: { schedule: [0s, 10ms, 10ms, 10ms, 10ms, 10ms, 10ms, 10ms] }
      breaker: { open-min: 100ms, open-max: 200ms }
`);

async function publish(number) {
  const event = {
    specversion: "1.0",
    id: `order-${number}`,
    source: "/shop",
    type: "order.created",
    partitionkey: `key-${number % KEYS}`,
    datacontenttype: "application/json",
    data: { id: number, key: `key-${number % KEYS}`, note: "Jörg" },
  };
  const headers = { authorization: `Bearer ${process.env.INTEROP_TOKEN}`, "content-type": "application/cloudevents+json" };
  await gateway.post("/v1/events", headers, JSON.stringify(event));
}

const late = setTimeout(() => {
  console.log("failed: only", taken.size, "of", EVENTS, "arrived");
  process.exit(1);
}, 90_000);
for (let number = 0; number < EVENTS; number += 1) {
  await publish(number);
  if (number === EVENTS / 3 || number === (2 * EVENTS) / 3) await gateway.crash();
}
while (taken.size < EVENTS) await new Promise((resolve) => (wake = resolve));
clearTimeout(late);

checks.check(new Set(taken.values()).size === EVENTS, "an event arrived under two names");
for (const [key, ids] of order) {
  const sorted = [...ids].sort((a, b) => a - b);
  checks.check(JSON.stringify(ids) === JSON.stringify(sorted), "out of order", key, ids);
}
const faults = await (await fetch(`${gateway.admin}/api/v1/faults`)).json();
checks.check(faults.faults.length === 0, "set aside", faults.faults);
await gateway.stop();
sink.closeAllConnections();
sink.close();
checks.close();
