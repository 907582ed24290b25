"""tach's helpers, to compare calltap's built-ins with.

The bodies of the helpers are tach's own (MattDietz/tach, etc/tach_helper.py): process_stack of January
2012, process_stack_later and the others of April 2012. Only their arguments are made by hand here, since
there is no nova around them.

    python3 tach_helper.py < nova.tsv > process_stack.tsv

reads METHOD, PATH, ACTION and prints, for each route with ids in its path and then for a thousand made
paths, METHOD, PATH, ACTION, tach's first key, tach's later key, and both as calltap states that it
changes them: an unsafe byte becomes _, and an empty segment is left out. `!` is an error of tach's.
"""

import random
import re
import sys


def queue_receive(*args, **kwargs):
    method = args[2]
    return args, kwargs, "nova.compute.%s" % method


def network_queue_receive(*args, **kwargs):
    method = args[2]
    return args, kwargs, "nova.network.%s" % method


def scheduler_queue_receive(*args, **kwargs):
    method = args[2]
    return args, kwargs, "nova.scheduler.%s" % method


def process_stack(req):
    method = ".%s" % req['environ']['REQUEST_METHOD']
    path = '.'.join(req['environ']['PATH_INFO'].split('/')[:3])
    action = ".%s" % req['environ']['wsgiorg.routing_args'][1]['action']
    if action:
        key = 'nova.api%s%s%s' % (path, action, method)
    else:
        key = 'nova.api%s%s' % (path, method)
    return key


def process_stack_later(req):
    method = ".%s" % req['environ']['REQUEST_METHOD']
    path = '.%s' % req['environ']['PATH_INFO'].split('/')[2]
    action = ".%s" % req['environ']['wsgiorg.routing_args'][1]['action']
    if action:
        key = 'nova.api%s%s%s' % (path, action, method)
    else:
        key = 'nova.api%s%s%s' % (path, method)
    return key


def safe_key(elements, action, method):
    """What calltap documents, written down a second time."""
    made = ['nova', 'api']
    for element in elements + [action, method]:
        segment = ''.join(chr(b) if re.match(rb'[A-Za-z0-9_-]', bytes([b])) else '_' for b in element.encode())
        if segment:
            made.append(segment)
    return '.'.join(made)


def show(method, path, action):
    req = {'environ': {'REQUEST_METHOD': method, 'PATH_INFO': path,
                       'wsgiorg.routing_args': ((), {'action': action})}}
    try:
        later = process_stack_later(req)
    except IndexError:
        later = '!'
    elements = path.split('/')
    print('\t'.join([method, path, action, process_stack(req), later,
                     safe_key(elements[:3], action, method), safe_key(elements[2:3], action, method)]))


def routes():
    ids = iter(range(1, 1 << 30))

    def one_id(_):
        n = next(ids)
        if n % 3 == 0:
            return str(n)
        return '%08x-1f2e-4d3c-8b4a-%012x' % (n * 2654435761 % (1 << 32), n * 40503)

    for line in sys.stdin:
        method, path, action = line.rstrip('\n').split('\t')
        show(method, re.sub(r'\{\w+\}', one_id, path), action)


def made():
    rng = random.Random(1)
    words = ['servers', 'flavors', 'os-volumes_boot', 'detail', '17', 'a.b', 'x:y', 'é', '', 'web-1', 'm1.tiny',
             'OS-EXT', '@user', 'a b', '%2F', 'v2.1', '{id}', '0a1b2c3d4e5f60718293a4b5c6d7e8f9', '_', '|c', '#x']
    for _ in range(1000):
        path = ''.join('/' + rng.choice(words) for _ in range(rng.randrange(1, 6)))
        show(rng.choice(['GET', 'POST', 'PUT', 'DELETE', 'HEAD']), path,
             rng.choice(['index', 'show', 'create', 'update', 'delete', 'detail', 'action']))


if __name__ == '__main__':
    routes()
    made()
