"""tach's process_stack, to compare calltap's built-in with.

The body of process_stack is tach's own (MattDietz/tach, etc/tach_helper.py of January 2012); only
its arguments are made by hand here, since there is no nova around it.

    python3 tach_helper.py < nova.tsv > process_stack.tsv

reads METHOD, PATH, ACTION and prints METHOD, a path with ids in it, ACTION and tach's key.
"""

import re
import sys


def process_stack(req):
    method = ".%s" % req['environ']['REQUEST_METHOD']
    path = '.'.join(req['environ']['PATH_INFO'].split('/')[:3])
    action = ".%s" % req['environ']['wsgiorg.routing_args'][1]['action']
    if action:
        key = 'nova.api%s%s%s' % (path, action, method)
    else:
        key = 'nova.api%s%s' % (path, method)
    return key


def main():
    ids = iter(range(1, 1 << 30))

    def one_id(_):
        n = next(ids)
        if n % 3 == 0:
            return str(n)
        return '%08x-1f2e-4d3c-8b4a-%012x' % (n * 2654435761 % (1 << 32), n * 40503)

    for line in sys.stdin:
        method, path, action = line.rstrip('\n').split('\t')
        path = re.sub(r'\{\w+\}', one_id, path)
        req = {'environ': {'REQUEST_METHOD': method, 'PATH_INFO': path,
                           'wsgiorg.routing_args': ((), {'action': action})}}
        print('%s\t%s\t%s\t%s' % (method, path, action, process_stack(req)))


if __name__ == '__main__':
    main()
