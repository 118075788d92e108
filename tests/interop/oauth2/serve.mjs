// An OAuth2 server, and an API that takes its tokens only. Ends when nobody reads what it writes.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { OAuth2Server } from "oauth2-mock-server";

const CLIENT = { id: "tide:gate", secret: "s3cret +/é" };

const issuer = new OAuth2Server();
await issuer.issuer.keys.generate("RS256");
await issuer.start(0, "127.0.0.1");
// Its address has the port only once it listens.
const { port } = issuer.address();
issuer.issuer.url = `http://127.0.0.1:${port}`;

/** Id and secret as RFC 6749, section 2.3.1, has them: encoded as in a form before they are joined. */
function client({ headers, body }) {
  const basic = headers.authorization?.match(/^Basic (.+)$/)?.[1];
  if (!basic) return { style: "body", id: body.client_id, secret: body.client_secret };
  const [id, secret] = Buffer.from(basic, "base64").toString().split(":");
  const decode = (text) => new URLSearchParams(`x=${text}`).get("x");
  return { style: "basic", id: decode(id), secret: decode(secret) };
}

let issued = 0;
issuer.service.on("beforeTokenSigning", (token, request) => {
  issued += 1;
  // The library knows an audience only under another name.
  const aud = request.body.audience;
  Object.assign(token.payload, { aud, jti: `token-${issued}`, style: client(request).style });
});
issuer.service.on("beforeResponse", (response, request) => {
  const { id, secret } = client(request);
  if (id === CLIENT.id && secret === CLIENT.secret) return;
  response.statusCode = 401;
  response.body = { error: "invalid_client", error_description: `not ${secret}` };
});

const keys = createRemoteJWKSet(new URL(`${issuer.issuer.url}/jwks`));
const revoked = new Set();
const api = createServer(async (request, response) => {
  const answer = (status, body) => response.writeHead(status).end(JSON.stringify(body));
  try {
    const token = request.headers.authorization?.match(/^Bearer (.+)$/)?.[1] ?? "";
    const { payload } = await jwtVerify(token, keys);
    if (revoked.has(payload.jti)) return answer(401, { error: "revoked" });
    if (request.url === "/revoke") revoked.add(payload.jti);
    answer(200, { token: payload.jti, style: payload.style, scope: payload.scope, audience: payload.aud });
  } catch (error) {
    answer(401, { error: error.code ?? error.message });
  }
});
await new Promise((resolve) => api.listen(0, "127.0.0.1", resolve));

const line = {
  api: `http://127.0.0.1:${api.address().port}`,
  token: `${issuer.issuer.url}/token`,
  id: CLIENT.id,
  secret: CLIENT.secret,
};
console.log(JSON.stringify(line));
process.stdout.on("error", () => process.exit(0));
// An empty line now and then finds out whether the reader is still there; two minutes bound it all.
setInterval(() => process.stdout.write("\n"), 100);
setTimeout(() => process.exit(1), 120_000);
