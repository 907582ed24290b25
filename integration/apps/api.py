#!/usr/bin/env python3
"""A small compute API: WSGI in front, oslo.messaging behind, and not a line of tracing.

    POST /v2.1/servers                 call  conductor.build_instance, answers 202
    GET  /v2.1/servers                 answers from memory, no RPC
    GET  /v2.1/servers/{id}            call  compute.get_instance
    POST /v2.1/servers/{id}/action     cast  compute.reboot_instance ({"reboot": {}}),
                                       fanout compute.refresh ({"refresh": {}}),
                                       call  compute.fail ({"fail": {}}): an exception comes back,
                                       call  compute.sleep ({"sleep": {}}): longer than the call's timeout
    GET  /healthcheck                  answers OK

The request id is oslo.middleware's business, as in every OpenStack API: it takes a valid
X-OpenStack-Request-Id as the global request id and answers with a local one of its own.

usage: api.py LISTEN_PORT TRANSPORT_URL [CALL_TIMEOUT_SECONDS]
"""

import json
import re
import socketserver
import sys
import uuid
from wsgiref import simple_server

import oslo_messaging as messaging
from oslo_context import context
from oslo_middleware import request_id

import rpc

SERVER = re.compile(r"^/v2\.1/servers/([^/]+)$")
ACTION = re.compile(r"^/v2\.1/servers/([^/]+)/action$")


class Api:
    """Routes requests to RPC calls; one instance serves all threads."""

    def __init__(self, transport, call_timeout):
        self.conductor = rpc.client(transport, "conductor")
        self.compute = rpc.client(transport, "compute")
        self.call_timeout = call_timeout

    def __call__(self, environ, start_response):
        try:
            status, answer = self.route(environ)
        except messaging.MessagingTimeout:
            status, answer = "504 Gateway Timeout", {"error": "no reply in time"}
        except messaging.RemoteError as e:
            status, answer = "500 Internal Server Error", {"error": e.exc_type}
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def route(self, environ):
        ctxt = context.RequestContext.from_environ(environ)
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if path == "/healthcheck":
            return "200 OK", {"status": "OK"}
        if path == "/echo":
            return "200 OK", body
        if path == "/v2.1/servers":
            return self.create(ctxt) if method == "POST" else ("200 OK", {"servers": []})
        if found := SERVER.match(path):
            instance = self.compute.prepare(timeout=self.call_timeout)
            return "200 OK", instance.call(ctxt, "get_instance", instance_id=found.group(1))
        if found := ACTION.match(path):
            return self.action(ctxt, found.group(1), next(iter(json.loads(body))))
        return "404 Not Found", {"error": "no such path"}

    def create(self, ctxt):
        instance_id = str(uuid.uuid4())
        self.conductor.call(ctxt, "build_instance", instance_id=instance_id)
        return "202 Accepted", {"server": {"id": instance_id}}

    def action(self, ctxt, instance_id, name):
        if name == "reboot":
            self.compute.cast(ctxt, "reboot_instance", instance_id=instance_id)
        elif name == "refresh":
            self.compute.prepare(fanout=True).cast(ctxt, "refresh", instance_id=instance_id)
        elif name == "fail":
            self.compute.call(ctxt, "fail", instance_id=instance_id)
        elif name == "sleep":
            self.compute.prepare(timeout=self.call_timeout).call(
                ctxt, "sleep", seconds=2 * self.call_timeout)
        else:
            return "400 Bad Request", {"error": "no such action"}
        return "202 Accepted", {}


class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 256

    def server_bind(self):
        # The base class looks its own name up in the DNS; a loopback server has no need of one.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]
        self.setup_environ()


class Handler(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass

    def address_string(self):
        return self.client_address[0]


def main(argv):
    if len(argv) not in (3, 4):
        rpc.usage("api.py LISTEN_PORT TRANSPORT_URL [CALL_TIMEOUT_SECONDS]")
    app = Api(rpc.transport(argv[2]), int(argv[3]) if len(argv) == 4 else 60)
    server = simple_server.make_server(
        "127.0.0.1", int(argv[1]), request_id.RequestId(app), Server, Handler)
    rpc.ready("api")
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv)
