package caddymodule

import "github.com/calltap/calltap/spanbuilder"

// computeIDHeader is X-Compute-Request-Id, nova's own name for what other services answer as
// X-OpenStack-Request-ID (nova/api/openstack/compute, nova/api/compute_req_id.py), as net/http spells it.
const computeIDHeader = "X-Compute-Request-Id"

// linkResponse remembers the request id that the service gave the request and shows in its response. RPC carries that id
// too, and nothing else that leads here, if the service does not pass on the id that we sent it.
func (q *request) linkResponse() {
	if tracer := q.handler.state.tracer; tracer.Link == spanbuilder.LinkOpenStack {
		q.linkShown(tracer)
	}
}

func (q *request) linkShown(tracer *spanbuilder.Tracer) {
	header := q.inner.Header()
	shown := header[computeIDHeader]
	if shown == nil {
		shown = header[requestIDHeader]
	}
	if len(shown) == 1 {
		tracer.LinkResponse(shown[0], q.server, serviceName(q.service, ""))
	}
}
