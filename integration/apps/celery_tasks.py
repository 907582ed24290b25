#!/usr/bin/env python3
"""Tasks of Celery, a worker, and a program that sends tasks.

    celery_tasks.py worker AMQP_URL QUEUE rpc|none
    celery_tasks.py send AMQP_URL QUEUE rpc|none 1|2 SHAPE

rpc or none is the result backend, 1 or 2 the version of Celery's message protocol, SHAPE one of SHAPES below. What the sender got is
printed as one line of JSON.
"""

import json
import sys

from celery import Celery, chain, group
from celery.exceptions import TimeoutError as NoResult
from celery.signals import worker_ready

app = Celery("shop")


def configure(url, queue, backend, protocol="2"):
    app.conf.update(
        broker_url=url,
        result_backend="rpc://" if backend == "rpc" else None,
        task_default_queue=queue,
        task_protocol=int(protocol),
        broker_connection_retry_on_startup=False,
        worker_redirect_stdouts=False,
    )


@app.task(name="shop.add")
def add(x, y):
    return x + y


@app.task(name="shop.fail")
def fail():
    raise ValueError("canary")


@app.task(name="shop.log", ignore_result=True)
def log(what):
    print("logged", what, flush=True)


@app.task(name="shop.outer")
def outer(depth):
    """Sends a task of its own and does not wait for it, as Celery advises."""
    if depth:
        outer.delay(depth - 1)
    log.delay("canary")
    return depth


@app.task(name="shop.flaky", bind=True, max_retries=3)
def flaky(self):
    if self.request.retries < 1:
        raise self.retry(countdown=0.3, exc=OSError("canary"))
    return self.request.retries


@app.task(name="shop.progress", bind=True)
def progress(self):
    self.update_state(state="PROGRESS", meta={"done": 1})
    return "done"


SHAPES = {
    "add": lambda: add.delay(2, 3),
    "fail": lambda: fail.delay(),
    "log": lambda: log.delay("canary"),
    "outer": lambda: outer.delay(1),
    "chain": lambda: chain(add.s(1, 2), add.s(3), add.s(4))(),
    "group": lambda: group(add.s(1, 1), add.s(2, 2), add.s(3, 3))(),
    "errback": lambda: fail.apply_async(link_error=log.si("canary")),
    "flaky": lambda: flaky.delay(),
    "progress": lambda: progress.delay(),
    "countdown": lambda: add.apply_async((2, 3), countdown=1),
}


def first(sent):
    """The tasks that were sent at once: all of a group, of a chain the first."""
    while sent.parent:
        sent = sent.parent
    return getattr(sent, "results", None) or [sent]


def send(url, queue, backend, protocol, shape):
    configure(url, queue, backend, protocol)
    sent = SHAPES[shape]()
    answer = {"ids": [r.id for r in first(sent)], "result": None}
    if backend == "rpc" and shape != "log":
        try:
            answer["result"] = sent.get(timeout=20)
        except NoResult:
            answer["exception"] = "no result"
        except Exception as e:
            answer["exception"] = type(e).__name__
    print(json.dumps(answer))


def work(url, queue, backend):
    configure(url, queue, backend)
    worker_ready.connect(lambda **_: print("ready worker", flush=True), weak=False)
    app.worker_main(["worker", "--concurrency=2", "--loglevel=ERROR", "--hostname=w@" + queue])


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"] and len(sys.argv) == 5:
        work(*sys.argv[2:])
    elif sys.argv[1:2] == ["send"] and len(sys.argv) == 7:
        send(*sys.argv[2:])
    else:
        sys.exit(__doc__)
