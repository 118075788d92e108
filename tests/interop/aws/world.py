"""moto with signatures checked: every request must be signed with the one key that it has given out."""

import json
import logging
import urllib.request

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

# A line for each request would bury what fails.
logging.getLogger("werkzeug").setLevel(logging.WARNING)


class World:
    def __init__(self):
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        host, port = self.server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        iam = self.client("iam", "bootstrap", "bootstrap")
        iam.create_user(UserName="tidegate")
        iam.put_user_policy(UserName="tidegate", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
        key = iam.create_access_key(UserName="tidegate")["AccessKey"]
        self.key, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        reset = urllib.request.Request(f"{self.url}/moto-api/reset-auth", b"0", {"content-type": "text/plain"})
        urllib.request.urlopen(reset).read()
        self.sqs = self.client("sqs", self.key, self.secret)
        self.events = self.client("events", self.key, self.secret)

    def client(self, service, key, secret):
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret
        )

    def queue(self, name, **attributes):
        if name.endswith(".fifo"):
            attributes["FifoQueue"] = "true"
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def follow_bus(self, source, queue):
        """Has the default bus hand everything of `source` to a queue."""
        self.events.put_rule(Name="all", EventPattern=json.dumps({"source": [source]}))
        answer = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        self.events.put_targets(Rule="all", Targets=[{"Id": "bus", "Arn": answer["Attributes"]["QueueArn"]}])

    def left(self, queue):
        """Messages that are not deleted."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def take(self, queue):
        """Messages that are there now, and no more after it."""
        answer = self.sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        )
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return messages

    def take_all(self, queue):
        found = []
        while messages := self.take(queue):
            found += messages
        return found
