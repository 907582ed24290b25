# Runs a private epmd and "$@" until the latter ends or until stdin closes; nothing outlives it.
#
# The other end of stdin is held open by the Go side. The kernel closes it however that process
# ends, so a test that timed out or was killed leaves no broker behind.
trap '' TERM
exec 3<&0

# The nodes of a cluster share one port for it: whoever comes first runs it, and the next one when that ends.
(trap - TERM; while :; do epmd; sleep 0.3; done) </dev/null >/dev/null 2>&1 &
(trap - TERM; exec "$@") </dev/null &
broker=$!
(cat <&3 >/dev/null; kill -TERM 0; sleep 20; kill -KILL 0) &

wait $broker # returns early for nothing: TERM is ignored here
kill -KILL 0
