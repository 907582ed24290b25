#!/usr/bin/env python3
"""Plain RPC over RabbitMQ, as in its tutorial 6: reply_to and correlation_id, nothing else.

    plain_rpc.py server AMQP_URL QUEUE
    plain_rpc.py client|uncorrelated|direct AMQP_URL QUEUE BODY [HEADER=VALUE …]

The client prints the reply. With headers it is a client that knows of tracing, such as one with
Brave inside; without, it is one that does not. The server fails no call and reads no header.
"uncorrelated" leaves correlation_id out; "direct" does so too and has RabbitMQ send the reply back without a queue.
"""

import sys
import uuid

import pika


def serve(url, queue):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare(queue=queue)

    def on_request(ch, method, props, body):
        ch.basic_publish(
            exchange="",
            routing_key=props.reply_to,
            properties=pika.BasicProperties(correlation_id=props.correlation_id),
            body=b"reply to " + body,
        )
        ch.basic_ack(delivery_tag=method.delivery_tag)

    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(queue=queue, on_message_callback=on_request)
    print("ready plain", flush=True)
    channel.start_consuming()


def call(shape, url, queue, body, headers):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    reply_to = "amq.rabbitmq.reply-to"
    if shape != "direct":
        reply_to = channel.queue_declare(queue="", exclusive=True).method.queue
    correlation_id = str(uuid.uuid4()) if shape == "client" else None
    replies = []

    def on_reply(ch, method, props, reply):
        if props.correlation_id == correlation_id:
            replies.append(reply)

    channel.basic_consume(queue=reply_to, on_message_callback=on_reply, auto_ack=True)
    channel.basic_publish(
        exchange="",
        routing_key=queue,
        properties=pika.BasicProperties(
            reply_to=reply_to, correlation_id=correlation_id, headers=headers or None
        ),
        body=body.encode(),
    )
    while not replies:
        connection.process_data_events(time_limit=20)
    connection.close()
    print(replies[0].decode())


if __name__ == "__main__":
    if sys.argv[1:2] == ["server"] and len(sys.argv) == 4:
        serve(*sys.argv[2:])
    elif sys.argv[1:2] in (["client"], ["uncorrelated"], ["direct"]) and len(sys.argv) >= 5:
        call(*sys.argv[1:5], dict(h.split("=", 1) for h in sys.argv[5:]))
    else:
        sys.exit(__doc__)
