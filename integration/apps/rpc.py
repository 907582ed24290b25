"""What nova keeps in nova/rpc.py: a transport, and a serializer that sends the request context along.

There is no tracing code here: the request ids are what every OpenStack service passes on anyway.
"""

import sys

import oslo_messaging as messaging
from oslo_config import cfg
from oslo_context import context

EXCHANGE = "nova"


class ContextSerializer(messaging.NoOpSerializer):
    """Carries oslo.context's RequestContext as nova's serializer does: as a dict."""

    def serialize_context(self, ctxt):
        return ctxt.to_dict()

    def deserialize_context(self, ctxt):
        return context.RequestContext.from_dict(ctxt)


def transport(url):
    cfg.CONF([], project="calltap-integration", default_config_files=[])
    messaging.set_transport_defaults(control_exchange=EXCHANGE)
    return messaging.get_rpc_transport(cfg.CONF, url=url)


def client(over, topic, **kwargs):
    target = messaging.Target(topic=topic, version="1.0")
    return messaging.get_rpc_client(over, target, serializer=ContextSerializer(), **kwargs)


def ready(what):
    """Tells whoever started this program that it can be used."""
    print("ready", what, flush=True)


def usage(text):
    sys.exit("usage: " + text)
