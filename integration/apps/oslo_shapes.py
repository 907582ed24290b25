#!/usr/bin/env python3
"""What oslo.messaging can do beside a plain call and cast.

    oslo_shapes.py serve TRANSPORT_URL TOPIC HOST
    oslo_shapes.py send TRANSPORT_URL TOPIC slow|fail|fanout|notify|notifyv1

slow is a call that outlasts half of its call_monitor_timeout: the server says "still working" meanwhile. fail raises; fanout is a cast to all
servers of the topic; notify and notifyv1 are a notification by each of the two drivers. What the sender got is printed as one line of JSON.
"""

import json
import sys
import time

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_context import context

import rpc


class Endpoint:
    target = messaging.Target(version="1.0")

    def slow(self, ctxt):
        time.sleep(2.5)
        return "done"

    def fail(self, ctxt):
        raise KeyError("canary")

    def refresh(self, ctxt):
        print("refreshed", flush=True)


class Listener:
    def info(self, ctxt, publisher_id, event_type, payload, metadata):
        print("heard", event_type, flush=True)


def serve(url, topic, host):
    over = rpc.transport(url)
    server = messaging.get_rpc_server(over, messaging.Target(topic=topic, server=host), [Endpoint()], executor="threading")
    server.start()
    listener = messaging.get_notification_listener(
        messaging.get_notification_transport(cfg.CONF, url=url), [messaging.Target(topic=topic + "_events")], [Listener()], executor="threading"
    )
    listener.start()
    rpc.ready(host)
    server.wait()


def notify(url, topic, driver):
    over = messaging.get_notification_transport(cfg.CONF, url=url)
    messaging.Notifier(over, "shapes.here", driver=driver, topics=[topic + "_events"]).info(
        context.RequestContext(user_id="u", project_id="p").to_dict(), "shape.sent", {"card": "canary"}
    )


def send(url, topic, shape):
    over = rpc.transport(url)
    ctxt = context.RequestContext(user_id="u", project_id="p", auth_token="canary")
    answer = {"result": None}
    try:
        if shape == "slow":
            answer["result"] = rpc.client(over, topic, timeout=20, call_monitor_timeout=2).call(ctxt, "slow")
        elif shape == "fail":
            rpc.client(over, topic, timeout=20).call(ctxt, "fail")
        elif shape == "fanout":
            rpc.client(over, topic).prepare(fanout=True).cast(ctxt, "refresh")
        else:
            notify(url, topic, {"notify": "messagingv2", "notifyv1": "messaging"}[shape])
    except Exception as e:
        answer["exception"] = type(e).__name__
    over.cleanup()
    print(json.dumps(answer))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"] and len(sys.argv) == 5:
        serve(*sys.argv[2:])
    elif sys.argv[1:2] == ["send"] and len(sys.argv) == 5:
        send(*sys.argv[2:])
    else:
        sys.exit(__doc__)
