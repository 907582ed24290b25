package amqptap

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/calltap/calltap/amqptap/dialect"
	"github.com/calltap/calltap/spanbuilder"
)

func init() { caddy.RegisterModule(new(Source)) }

// Source taps a RabbitMQ broker and makes spans of the RPC that goes over it.
//
// It sees the broker's firehose, unless exchanges to mirror are given. The firehose shows both ends of
// each call and must be switched on by an administrator, with `rabbitmqctl trace_on -p VHOST`; it
// costs the broker CPU for every message. Mirroring shows requests only, costs less, and changes what
// the watched programs see: a message that would have been returned as unroutable is not, because it now
// reaches the tap's queue.
//
//	{
//		"source": "rabbitmq",
//		"url": "amqp://tap:{env.TAP_PASSWORD}@127.0.0.1:5672/",
//		"firehose": true
//	}
type Source struct {
	// The broker: amqp://USER:PASSWORD@HOST:PORT/VHOST or amqps://…, where an empty VHOST is "/". Placeholders
	// {env.*} and {file.*} are resolved when the tap starts; those in user and password need not be
	// percent-encoded. Without user and password it is guest, or with tls.cert whom the certificate names.
	URL string `json:"url"`

	// Whether to bind to amq.rabbitmq.trace. Default: true unless mirror is given.
	Firehose bool `json:"firehose,omitempty"`

	// The exchanges to mirror in place of the firehose.
	Mirror []Binding `json:"mirror,omitempty"`

	// How the names of the tap's queues begin, which its user must have the right to configure,
	// write and read. The host's name and a random word follow. Default: "tap.".
	Queue string `json:"queue,omitempty"`

	// How many messages the broker sends ahead of the tap's acknowledgements. With the size
	// of the largest message it bounds the tap's memory. 1 to 2000. Default: 1000.
	Prefetch int `json:"prefetch,omitempty"`

	// How many messages the queue holds before the broker drops the oldest. Default: 20000.
	MaxLength int `json:"max_length,omitempty"`

	// How many bytes of bodies the queue holds before the broker drops the oldest. Default: 64 MiB.
	MaxBytes int64 `json:"max_bytes,omitempty"`

	// The largest body that is looked into, in bytes. Messages above it are counted. Default: 1 MiB.
	MaxBody int `json:"max_body,omitempty"`

	// How long a call may await its reply if it does not say so itself. Oslo's calls do. Default: 60s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How long the work on a one-way message must have caused nothing, and wait for nothing, to count as over: its end cannot be
	// seen. Its span is sent then, and ends with the last thing that it caused. 100ms to 10m. Default: 5s.
	Quiet caddy.Duration `json:"quiet,omitempty"`

	// How often the connection is proven alive. A dead broker is noticed after one and a half times that,
	// with some grace. 1s to 60s. Default: 10s.
	Heartbeat caddy.Duration `json:"heartbeat,omitempty"`

	// How deliveries are read: "inplace" parses them where they lie in the receive buffer, beneath amqp091-go, which
	// keeps all else of the connection; "library" leaves them to amqp091-go, at more than twice the CPU. Default: inplace.
	Reader string `json:"reader,omitempty"`

	// Whether to switch the vhost's firehose on, on each node that can be asked, and off again where it was off before: when
	// the tap stops or its settings change, and while the watchdog holds it. It cannot if calltap is killed; where an operator switched it off
	// it stays off. It needs management, with the credentials of an administrator. Default: false.
	Trace bool `json:"trace,omitempty"`

	// When the tap takes itself off the broker before it harms: see Watchdog. Default: as there.
	Watchdog *Watchdog `json:"watchdog,omitempty"`

	// Whether a mirror may change what the watched programs see. Without it, a mirror is bound only where the
	// management API shows that it changes nothing: literal keys that another queue is bound by, no alternate exchange.
	AcceptChanges bool `json:"accept_changes,omitempty"`

	// The RPC protocols to read, see dialect.Names. Default: all.
	Dialects []string `json:"dialects,omitempty"`

	// The broker's management API, such as http://127.0.0.1:15672, with the same user and password unless
	// it has its own. There the tap learns of alarms, of policies that make its queue dangerous, what a mirror may bind, on which nodes the firehose is on, and
	// the names that programs give their connections. The user needs the tag management; for the last two monitoring. Placeholders as in url.
	// Default: none, and nothing of that.
	Management string `json:"management,omitempty"`

	// Certificates for amqps. Default: the system's authorities, no client certificate.
	TLS *TLS `json:"tls,omitempty"`

	waits   waits
	log     func() *zap.Logger
	mu      sync.Mutex // guards running: the admin API may ask while the configuration stops
	running *tap
	key     poolKey
	tracer  *spanbuilder.Tracer
}

// Binding is one exchange to mirror and the routing keys to bind the tap's queue with, in the
// exchange's own pattern language.
type Binding struct {
	Exchange string   `json:"exchange"`
	Keys     []string `json:"keys"`
}

// CaddyModule returns the module's information.
func (*Source) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "calltap.sources.rabbitmq",
		New: func() caddy.Module { return new(Source) },
	}
}

// Provision fills in the defaults, and has the metrics shown.
func (s *Source) Provision(ctx caddy.Context) error {
	s.Firehose = s.Firehose || len(s.Mirror) == 0
	s.Queue = cmp.Or(s.Queue, "tap.")
	s.Prefetch = cmp.Or(s.Prefetch, 1000)
	s.MaxLength = cmp.Or(s.MaxLength, 20_000)
	s.MaxBytes = cmp.Or(s.MaxBytes, 64<<20)
	s.MaxBody = cmp.Or(s.MaxBody, dialect.DefaultMaxBody)
	s.Reader = cmp.Or(s.Reader, "inplace")
	s.Watchdog = s.Watchdog.withDefaults()
	s.Timeout = cmp.Or(s.Timeout, caddy.Duration(time.Minute))
	s.Heartbeat = cmp.Or(s.Heartbeat, caddy.Duration(10*time.Second))
	s.waits, s.log = defaultWaits, moduleLog
	return s.showMetrics(ctx)
}

// Validate checks all that can be checked without asking the broker.
func (s *Source) Validate() error { return errors.Join(s.check(), s.checkWhole()) }

// check is for what is wrong whatever else is set.
func (s *Source) check() error {
	return errors.Join(
		checkAddress(s.URL),
		s.checkMode(),
		s.checkQueue(),
		inRange("prefetch", s.Prefetch, 1, 2000),
		inRange("max_length", s.MaxLength, 100, 1_000_000),
		inRange("max_bytes", s.MaxBytes, 1<<20, 1<<30),
		inRange("max_body", s.MaxBody, 1<<10, 16<<20),
		inRange("quiet", time.Duration(s.Quiet), 100*time.Millisecond, 10*time.Minute),
		inRange("timeout", time.Duration(s.Timeout), 10*time.Millisecond, 24*time.Hour),
		inRange("heartbeat", time.Duration(s.Heartbeat), time.Second, time.Minute),
		s.checkReader(),
		s.checkDialects(),
		checkManagement(s.Management),
		s.checkTLS(),
		s.Watchdog.check(),
	)
}

// checkWhole is for what lacks something else, which in a Caddyfile may follow.
func (s *Source) checkWhole() error {
	switch {
	case len(s.Mirror) > 0 && !s.AcceptChanges && s.Management == "":
		return errors.New("mirror changes what the watched programs see, such as that an unroutable message is no longer returned to its sender: " +
			"accept that with 'accept_changes', or give 'management URL', and only keys that change nothing are bound")
	case s.Trace && s.Management == "":
		return errors.New("trace on needs 'management URL', with the credentials of an administrator")
	case s.Trace && len(s.Mirror) > 0:
		return errors.New("trace on switches the firehose on, which a mirror does not use")
	}
	return nil
}

func (s *Source) checkMode() error {
	if s.Firehose && len(s.Mirror) > 0 {
		return errors.New("firehose and mirror are both given: the firehose shows what a mirror would, so each call would count twice")
	}
	for _, b := range s.Mirror {
		switch {
		case b.Exchange == "":
			return errors.New("mirror: the default exchange cannot be bound to; use firehose")
		case b.Exchange == firehoseExchange:
			return errors.New("mirror: to tap " + firehoseExchange + " use firehose")
		case len(b.Keys) == 0:
			return fmt.Errorf("mirror %s: no routing keys; name those that carry RPC, or # for all", b.Exchange)
		}
	}
	return nil
}

// checkQueue keeps the names short enough that the broker, which puts "deliver." before them in routing
// keys of at most 255 bytes, does not close the connection over them.
func (s *Source) checkQueue() error {
	if len(s.Queue) > 64 || strings.HasPrefix(s.Queue, "amq.") {
		return fmt.Errorf("queue %q: want at most 64 bytes that do not begin with amq., which the broker keeps for itself", s.Queue)
	}
	return nil
}

func (s *Source) checkReader() error {
	switch s.Reader {
	case "", "inplace", "library":
		return nil
	}
	return fmt.Errorf("reader %q: want inplace or library", s.Reader)
}

func (s *Source) checkDialects() error {
	_, err := dialect.NewSet(dialect.Limits{}, s.Dialects...)
	return err
}

func (s *Source) checkTLS() error {
	if s.TLS == nil {
		return nil
	}
	if strings.HasPrefix(s.URL, "amqp://") {
		return errors.New("tls: the broker's URL begins with amqp://, which is not encrypted; want amqps://")
	}
	return s.TLS.check()
}

// inRange takes zero for the default, which Provision has not filled in yet when a Caddyfile is read.
func inRange[T cmp.Ordered](name string, v, low, high T) error {
	var unset T
	if v != unset && (v < low || v > high) {
		return fmt.Errorf("%s is %v: want %v to %v", name, v, low, high)
	}
	return nil
}

// Start taps the broker for t, or hands t to the tap that an earlier configuration with the same
// settings began. It does not wait for the broker. Its only errors are placeholders of the URL without
// a value, and what they make of the URL.
func (s *Source) Start(t *spanbuilder.Tracer) error {
	settings, err := s.resolve(caddy.NewReplacer())
	if err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	key := settings.key()
	v, _, err := taps.LoadOrNew(key, func() (caddy.Destructor, error) { return startTap(settings, s.log) })
	if err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	s.key, s.tracer = key, t
	s.setRunning(v.(*tap)).push(t)
	return nil
}

// Stop takes this configuration's Tracer away. The last one to stop ends the tap, which
// acknowledges what it has, closes its connection within two seconds and ends all open spans.
func (s *Source) Stop() error {
	running := s.nowRunning()
	if running == nil {
		return nil
	}
	s.setRunning(nil)
	ended, err := taps.Delete(s.key)
	if !ended { // else Destruct needed the Tracer, to end the open spans
		running.remove(s.tracer)
	}
	return err
}

// Status returns a Status, for the admin API.
func (s *Source) Status() any {
	running := s.nowRunning()
	if running == nil {
		return Status{Mode: s.mode()}
	}
	return running.status()
}

func (s *Source) nowRunning() *tap {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

func (s *Source) setRunning(t *tap) *tap {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = t
	return t
}

func (s *Source) mode() string {
	if s.Firehose || len(s.Mirror) == 0 {
		return "firehose"
	}
	return "mirror"
}

// resolve makes the settings of a running tap from a configuration.
func (s *Source) resolve(repl *caddy.Replacer) (settings, error) {
	address, err := resolveAddress(s.URL, repl)
	if err != nil {
		return settings{}, fmt.Errorf("url: %w", err)
	}
	uri, err := parseAddress(address)
	if err != nil {
		return settings{}, err
	}
	if uri.Username == "" && (s.TLS == nil || s.TLS.Cert == "") {
		uri.Username, uri.Password = "guest", "guest"
	}
	management, err := resolveAddress(s.Management, repl)
	if err != nil {
		return settings{}, fmt.Errorf("management: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return settings{
		URI: uri, Host: host[:min(len(host), 64)], Mode: s.mode(), Mirror: slices.Clone(s.Mirror),
		Queue: s.Queue, Prefetch: s.Prefetch, MaxLength: s.MaxLength, MaxBytes: s.MaxBytes, MaxBody: s.MaxBody,
		Timeout: time.Duration(s.Timeout), Quiet: time.Duration(s.Quiet), Heartbeat: time.Duration(s.Heartbeat),
		Dialects: slices.Clone(s.Dialects), Management: management, TLS: s.TLS.resolve(repl),
		Reader: s.Reader, Trace: s.Trace, Watchdog: s.Watchdog, AcceptChanges: s.AcceptChanges,
		waits: s.waits,
	}, nil
}

// Interface guards.
var (
	_ caddy.Provisioner = (*Source)(nil)
	_ caddy.Validator   = (*Source)(nil)
)
