"""A receiver that knows nothing of Tidegate: it believes what PyPI standardwebhooks verifies."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook((Path(__file__).parent / "secrets/deliveries.txt").read_text().strip())


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            payment = webhook.verify(body, dict(self.headers))
            print("verified", self.headers["webhook-id"], payment["type"], payment["data"]["id"], flush=True)
            self.send_response(204)
        except WebhookVerificationError as error:
            print("refused:", error, flush=True)
            self.send_response(401)
        self.end_headers()


HTTPServer(("127.0.0.1", 7500), Receiver).serve_forever()
