# calltap: `make` lists what there is. The first use of test or demo fetches the parts (integration/parts.sh).
SHELL := /bin/bash
GO ?= go
FUZZTIME ?= 20s
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.1

.DEFAULT_GOAL := help
.PHONY: help go build parts lint test bench demo openstack fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

go:
	@$(GO) version >/dev/null 2>&1 || { echo "calltap needs Go 1.26 or newer; there is none in PATH" >&2; exit 1; }
	@v=$$($(GO) env GOVERSION); v=$${v#go}; IFS=. read -r major minor _ <<<"$${v%%[a-z-]*}"; \
	if (( major < 1 || major == 1 && $${minor:-0} < 26 )); then \
		echo "calltap needs Go 1.26 or newer; this is $$($(GO) env GOVERSION)" >&2; exit 1; fi

build: go ## bin/calltap
	$(GO) build -trimpath -o bin/calltap ./cmd/calltap

parts: ## fetch RabbitMQ (apt), Zipkin, StatsD and Python's RPC libraries into .parts/
	@./integration/parts.sh

lint: go ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

test: go lint ## all tests, on real parts, with the race detector; CI=true makes a missing part a failure
	@./integration/parts.sh || { [ -z "$$CI" ] || exit 1; \
		echo "SOME PARTS ARE MISSING: the tests that need them will be skipped" >&2; }
	@jar=.parts/zipkin.jar; if [ -e $$jar ]; then export CALLTAP_ZIPKIN_JAR=$$PWD/$$jar; fi; \
	log=$$(mktemp); trap 'rm -f $$log' EXIT; \
	echo "$(GO) test -race -timeout 60m ./..."; $(GO) test -race -timeout 60m ./... 2>&1 | tee $$log; failed=$${PIPESTATUS[0]}; \
	(( failed == 0 )) || { echo; echo "WHAT FAILED, once more (a test's own output is above):"; \
		grep -E '^ *--- FAIL|^(FAIL|panic:)|DATA RACE|^ +(Error( Trace)?|Messages|expected|actual) *:|^ +[a-z_]+_test\.go:[0-9]+: .' $$log | cut -c1-300; \
		awk '/^WARNING: DATA RACE/ { on = ++races <= 3 } /^=+$$/ { on = 0 } on && /^[A-Z]/ { print; frames = /^G/ ? 3 : 12 } \
			on && /^  [^ ]/ { call = $$1 } on && /^      \// && frames-- > 0 { sub(".*/", "", $$1); print "  " call, $$1 }' $$log; }; \
	exit $$failed

bench: go ## speed and memory, one line a figure
	@./integration/parts.sh rabbitmq proxies || true
	$(GO) run ./integration/bench

demo: go ## one traced request through HTTP and RPC; ONCE=1 checks and ends, ZIPKIN=1 adds the real Zipkin
	@./integration/parts.sh rabbitmq python $(if $(ZIPKIN),zipkin) || true
	@ONCE=$(ONCE) ZIPKIN=$(ZIPKIN) $(GO) run ./integration/demo

openstack: go ## a live OpenStack nova behind calltap: boots, failures, latencies (Debian bookworm, root, 3 GB; KEEP=1 keeps logs)
	@./integration/parts.sh zipkin statsd
	@KEEP=$(KEEP) $(GO) run ./integration/openstack

fuzz: go ## each fuzz target for FUZZTIME (default 20s)
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz || true); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; done; done

clean: ## remove what was built and fetched
	rm -rf bin .parts
