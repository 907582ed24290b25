#!/usr/bin/env python3
"""JSON-RPC 2.0 over RabbitMQ: jsonrpcserver and jsonrpcclient make the bodies, pika carries them.

    json_rpc.py server AMQP_URL QUEUE
    json_rpc.py client AMQP_URL QUEUE call|uncorrelated|notify|batch METHOD

"uncorrelated" leaves correlation_id out: the body's id names the call, as the protocol means it. The client prints the response, or nothing.
"""

import json
import sys

import pika
from jsonrpcclient import notification, request_uuid
from jsonrpcserver import Error, Success, dispatch, method


@method
def add(a, b):
    return Success(a + b)


@method
def refuse(a, b):
    return Error(17, "canary", {"card": "canary"})


def serve(url, queue):
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.queue_declare(queue=queue)

    def on_request(ch, delivery, props, body):
        response = dispatch(body.decode())
        if response and props.reply_to:
            answer = pika.BasicProperties(correlation_id=props.correlation_id, content_type="application/json")
            ch.basic_publish("", props.reply_to, response.encode(), answer)
        ch.basic_ack(delivery.delivery_tag)

    channel.basic_consume(queue, on_request)
    print("ready jsonrpc", flush=True)
    channel.start_consuming()


def call(url, queue, shape, name):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    reply_to = channel.queue_declare("", exclusive=True).method.queue
    replies = []
    channel.basic_consume(reply_to, lambda ch, delivery, props, body: replies.append(body), auto_ack=True)
    message = notification(name, (1, 2)) if shape == "notify" else request_uuid(name, (1, 2))
    props = pika.BasicProperties(content_type="application/json")
    if shape != "notify":
        props.reply_to = reply_to
    if shape in ("call", "batch"):
        props.correlation_id = message["id"]
    if shape == "batch":
        message = [message, notification("add", (3, 4)), request_uuid("add", (5, 6))]
    channel.basic_publish("", queue, json.dumps(message).encode(), props)
    while shape != "notify" and not replies:
        connection.process_data_events(time_limit=20)
    connection.close()
    for reply in replies:
        print(reply.decode())


if __name__ == "__main__":
    if sys.argv[1:2] == ["server"] and len(sys.argv) == 4:
        serve(*sys.argv[2:])
    elif sys.argv[1:2] == ["client"] and len(sys.argv) == 6:
        call(*sys.argv[2:])
    else:
        sys.exit(__doc__)
