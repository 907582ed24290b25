#!/usr/bin/env python3
"""The services behind the API: a conductor and a compute, on oslo.messaging servers, untraced.

    conductor.build_instance    calls compute.prepare_instance, casts compute.run_instance
    conductor.instance_update   answers
    compute.prepare_instance    answers
    compute.run_instance        calls conductor.instance_update, as nova-compute does
    compute.get_instance, .reboot_instance, .refresh, .fail (raises), .sleep (too long)

usage: worker.py conductor|compute TRANSPORT_URL [HOST]
"""

import signal
import sys
import threading
import time

import oslo_messaging as messaging

import rpc


class InstanceBroken(Exception):
    """The API has no such class, so it gets oslo.messaging's RemoteError with this one's name."""


class Conductor:
    target = messaging.Target(version="1.0")

    def __init__(self, transport):
        self.compute = rpc.client(transport, "compute")

    def build_instance(self, ctxt, instance_id):
        self.compute.call(ctxt, "prepare_instance", instance_id=instance_id)
        self.compute.cast(ctxt, "run_instance", instance_id=instance_id)

    def instance_update(self, ctxt, instance_id, state):
        return {"id": instance_id, "state": state}


class Compute:
    target = messaging.Target(version="1.0")

    def __init__(self, transport):
        self.conductor = rpc.client(transport, "conductor")

    def prepare_instance(self, ctxt, instance_id):
        return {"id": instance_id, "host": "compute1"}

    def run_instance(self, ctxt, instance_id):
        self.conductor.call(ctxt, "instance_update", instance_id=instance_id, state="active")

    def get_instance(self, ctxt, instance_id):
        return {"id": instance_id, "state": "active"}

    def reboot_instance(self, ctxt, instance_id):
        pass

    def refresh(self, ctxt, instance_id):
        pass

    def fail(self, ctxt, instance_id):
        raise InstanceBroken("a canary in a message: " + instance_id)

    def sleep(self, ctxt, seconds):
        time.sleep(seconds)


SERVICES = {"conductor": Conductor, "compute": Compute}


def main(argv):
    if len(argv) not in (3, 4) or argv[1] not in SERVICES:
        rpc.usage("worker.py conductor|compute TRANSPORT_URL [HOST]")
    name, host = argv[1], argv[3] if len(argv) == 4 else argv[1] + "1"
    transport = rpc.transport(argv[2])
    server = messaging.get_rpc_server(
        transport,
        messaging.Target(topic=name, server=host),
        [SERVICES[name](transport)],
        executor="threading",
        serializer=rpc.ContextSerializer(),
    )
    server.start()
    rpc.ready(name)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()


if __name__ == "__main__":
    main(sys.argv)
