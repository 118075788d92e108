"""Reads AWS's signing suite out of the sources of the crate `aws-sigv4`, as cases for our signer.

Standard input is what `cargo metadata` says of `vectors/Cargo.toml`: it knows where the crate lies.
"""

import base64
import json
import sys
from pathlib import Path
from urllib.parse import unquote

metadata = json.load(sys.stdin)
crate = next(package for package in metadata["packages"] if package["name"] == "aws-sigv4")
suite = Path(crate["manifest_path"]).parent / "aws-signing-test-suite" / "v4"

# Older cases without a context; their canonical requests are unit tests of ours.
WITHOUT_CONTEXT = {"double-encode-path", "double-url-encode"}
# The token is added to the request after it was signed, which ours never does.
TOKEN_UNSIGNED = {"post-sts-header-after"}
# Its file has the path escaped already, its signature is that of the path as it was before.
ESCAPED = {"get-space-normalized"}

for folder in sorted(suite.iterdir()):
    if folder.name in WITHOUT_CONTEXT | TOKEN_UNSIGNED:
        continue
    context = json.loads((folder / "context.json").read_text())
    head, _, body = (folder / "request.txt").read_text().partition("\n\n")
    request_line, *lines = head.split("\n")
    method, _, rest = request_line.partition(" ")
    target = rest.rpartition(" ")[0]
    path, _, query = target.partition("?")
    if folder.name in ESCAPED:
        path = unquote(path)
    headers = []
    for line in lines:
        if line[:1] in (" ", "\t"):
            # A folded line goes on with the value before it (RFC 9112, section 5.2).
            headers[-1][1] += " " + line.strip()
        elif line:
            name, _, value = line.partition(":")
            headers.append([name, value.strip()])
    signed = (folder / "header-signed-request.txt").read_text()
    authorization = next(line for line in signed.split("\n") if line.startswith("Authorization:"))
    credentials = context["credentials"]
    print(
        json.dumps(
            {
                "name": folder.name,
                "access_key_id": credentials["access_key_id"],
                "secret_access_key": credentials["secret_access_key"],
                "session_token": credentials.get("token"),
                "region": context["region"],
                "service": context["service"],
                "normalize_path": context["normalize"],
                "body_header": context["sign_body"],
                "time": context["timestamp"],
                "method": method,
                "path": path,
                "query": query,
                "headers": headers,
                "body_base64": base64.b64encode(body.encode()).decode(),
                "authorization": authorization.partition(":")[2].strip(),
            }
        )
    )
