"""Runs moto with signatures checked, and looks at the end at what has arrived.

Writes one line that says where it is, then waits until nobody reads any more.
"""

import json
import logging
import select
import sys
import urllib.request

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
PATIENCE_MS = 120_000
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

# A line for each request would bury what fails.
logging.getLogger("werkzeug").setLevel(logging.WARNING)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"


def client(service, key="bootstrap", secret="bootstrap"):
    return boto3.client(
        service, region_name=REGION, endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret
    )


iam = client("iam")
iam.create_user(UserName="tidegate")
iam.put_user_policy(UserName="tidegate", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
key = iam.create_access_key(UserName="tidegate")["AccessKey"]
ours = key["AccessKeyId"], key["SecretAccessKey"]
# From now on every request must be signed with that key.
reset = urllib.request.Request(f"{url}/moto-api/reset-auth", b"0", {"content-type": "text/plain"})
urllib.request.urlopen(reset).read()

sqs, events = client("sqs", *ours), client("events", *ours)
queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("plain", "theirs", "bus")}
fifo = {"FifoQueue": "true"}
queues["fifo"] = sqs.create_queue(QueueName="orders.fifo", Attributes=fifo)["QueueUrl"]
text = {"kind": {"DataType": "String", "StringValue": "order.created"}}
for number in range(12):
    sqs.send_message(QueueUrl=queues["theirs"], MessageBody=f"message {number} é\n", MessageAttributes=text)
events.put_rule(Name="all", EventPattern=json.dumps({"source": ["orders"]}))
arn = sqs.get_queue_attributes(QueueUrl=queues["bus"], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
events.put_targets(Rule="all", Targets=[{"Id": "bus", "Arn": arn}])

world = {"url": url, "region": REGION, "key": ours[0], "secret": ours[1], "queues": queues}
print(json.dumps(world), flush=True)
reader = select.poll()
reader.register(sys.stdout.fileno(), select.POLLERR)
reader.poll(PATIENCE_MS)
sys.stdout = None


def bodies(name):
    found = []
    while True:
        answer = sqs.receive_message(QueueUrl=queues[name], MaxNumberOfMessages=10, AttributeNames=["All"])
        if not answer.get("Messages"):
            return found
        for message in answer["Messages"]:
            found.append(message["Body"])
            sqs.delete_message(QueueUrl=queues[name], ReceiptHandle=message["ReceiptHandle"])


def of_keys(found):
    order = {}
    for body in found:
        order.setdefault(body.rstrip("0123456789"), []).append(body)
    return order


arrived = {
    "plain": sorted(bodies("plain")) == sorted(f"event {number} é\n\"quoted\"" for number in range(12)),
    "fifo": of_keys(bodies("fifo")) == {"a": ["a1", "a2", "a3"], "b": ["b1"], "alone": ["alone"]},
    "bus": sorted(json.loads(body)["detail"]["n"] for body in bodies("bus")) == [0, 1],
    "theirs": bodies("theirs") == [],
}
server.stop()
if not all(arrived.values()):
    sys.exit(f"what has arrived is not what was sent: {arrived}")
