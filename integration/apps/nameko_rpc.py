#!/usr/bin/env python3
"""Services of nameko, and a program that calls them.

    nameko_rpc.py serve AMQP_URL front|orders|stock
    nameko_rpc.py call AMQP_URL METHOD

front calls orders, which calls stock. METHOD is one of front's. What the caller got is printed as one line of JSON.
"""

import eventlet

eventlet.monkey_patch()  # before anything else is imported, as `nameko run` does

import json
import sys

import nameko
from nameko.events import BROADCAST, EventDispatcher, event_handler
from nameko.rpc import RpcProxy, rpc
from nameko.runners import ServiceRunner
from nameko.standalone.rpc import ClusterRpcProxy


class Front:
    name = "front"
    orders = RpcProxy("orders")

    @rpc
    def hello(self, name):
        return "hello " + name

    @rpc
    def buy(self, thing):
        return self.orders.place(thing)

    @rpc
    def boom(self):
        raise ValueError("canary")

    @rpc
    def deep_boom(self):
        return self.orders.fail()


class Orders:
    name = "orders"
    stock = RpcProxy("stock")
    dispatch = EventDispatcher()

    @rpc
    def place(self, thing):
        left = self.stock.take(thing)
        self.dispatch("placed", {"thing": thing, "card": "canary"})
        return {"thing": thing, "left": left}

    @rpc
    def fail(self):
        return self.stock.lose()


class Stock:
    name = "stock"
    front = RpcProxy("front")

    @rpc
    def take(self, thing):
        return 7

    @rpc
    def lose(self):
        raise KeyError("canary")

    @event_handler("orders", "placed")
    def count(self, payload):
        self.front.hello("stock")

    @event_handler("orders", "placed", handler_type=BROADCAST, reliable_delivery=False)
    def tell(self, payload):
        print("told of", payload["thing"], flush=True)


def serve(url, name):
    runner = ServiceRunner(config={"AMQP_URI": url})
    runner.add_service({"front": Front, "orders": Orders, "stock": Stock}[name])
    runner.start()
    print("ready", name, flush=True)
    runner.wait()


CALLS = {
    "hello": lambda front: front.hello("canary"),
    "buy": lambda front: front.buy("book"),
    "boom": lambda front: front.boom(),
    "deep_boom": lambda front: front.deep_boom(),
    "no_such_method": lambda front: front.no_such_method(),
}


def call(url, method):
    with ClusterRpcProxy({"AMQP_URI": url}, timeout=20) as rpc:
        try:
            if method == "no_such_service":
                answer = {"result": rpc.nobody.hello()}
            else:
                answer = {"result": CALLS[method](rpc.front)}
        except Exception as e:
            answer = {"exception": type(e).__name__, "of": getattr(e, "exc_type", None)}
    print(json.dumps(answer))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"] and len(sys.argv) == 4:
        serve(*sys.argv[2:])
    elif sys.argv[1:2] == ["call"] and len(sys.argv) == 4:
        call(*sys.argv[2:])
    else:
        sys.exit(__doc__)
