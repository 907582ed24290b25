#!/usr/bin/env python3
"""OSProfiler's own library, as clients and services of OpenStack use it.

usage: profiler.py ask KEY URL         sends a GET with the library's headers, prints the trace's base_id
       profiler.py read KEY INFO MAC   prints the base_id of headers as a service reads them, exits with 1 if they are not signed by KEY
"""

import sys
import urllib.request

from osprofiler import profiler
from osprofiler import web
from osprofiler import _utils as utils

import rpc


def ask(key, url):
    profiler.init(key)
    request = urllib.request.Request(url, headers=web.get_trace_id_headers())
    urllib.request.urlopen(request, timeout=30).read()
    print(profiler.get().get_base_id())


def read(key, info, mac):
    trace = utils.signed_unpack(info, mac, [key])
    if trace is None:
        sys.exit("not signed by this key")
    print(trace["base_id"])


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "ask":
        ask(*sys.argv[2:])
    elif len(sys.argv) == 5 and sys.argv[1] == "read":
        read(*sys.argv[2:])
    else:
        rpc.usage(__doc__.split("usage: ")[1])
