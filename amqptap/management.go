package amqptap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	managementTimeout = 5 * time.Second  // of one request
	policyPoll        = 2 * time.Second  // the API learns of a new queue's policies with the statistics, each 5 s
	policyPatience    = 30 * time.Second // after which a broker that does not tell them will not
)

// checkManagement is what can be said of the management URL before its placeholders are known.
func checkManagement(address string) error {
	if address == "" || strings.HasPrefix(address, "{") {
		return nil
	}
	_, err := managementURL(strings.NewReplacer("{", "", "}", "").Replace(address))
	return err
}

// managementURL is for addresses that may hold a password, so its error does not quote them.
func managementURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("management: want a URL such as http://127.0.0.1:15672")
	}
	return u, nil
}

// effectivePolicy is what the broker makes of the tap's queue beyond what the tap asked for.
type effectivePolicy struct {
	Policy     string          `json:"policy"`
	Operator   string          `json:"operator_policy"`
	Definition json.RawMessage `json:"effective_policy_definition"` // absent until known; {}, or in old brokers [], if there is none
}

// warnOfPolicies asks the management API, if there is one, whether a policy that matches the tap's queue makes
// it harm others: by dead-lettering what it drops, or refusing messages when it is full. It takes some
// seconds and ends with ctx.
func (t *tap) warnOfPolicies(ctx context.Context, queue string) {
	if t.Management == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, policyPatience)
	defer cancel()
	poll := time.NewTicker(policyPoll)
	defer poll.Stop()
	for {
		p, err := t.policyOf(ctx, queue)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			t.log().Warn("cannot check the policies of the tap's queue", zap.String("error", redact(err.Error(), t.URI.Password)),
				zap.String("advice", "the user needs a tag to use the management API: rabbitmqctl set_user_tags "+quote(t.user())+" management"))
			return
		}
		if p.Definition != nil {
			t.warnOf(p, queue)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		}
	}
}

func (t *tap) warnOf(p effectivePolicy, queue string) {
	for _, danger := range p.dangers() {
		t.log().Warn("A POLICY MAKES THE TAP'S QUEUE DANGEROUS; exclude its name from the policy's pattern", zap.String("queue", queue),
			zap.String("policy", p.Policy), zap.String("operator_policy", p.Operator), zap.String("definition", danger))
	}
}

// dangers are the words of the definition that let the queue harm others.
func (p effectivePolicy) dangers() (found []string) {
	var definition map[string]any
	if json.Unmarshal(p.Definition, &definition) != nil {
		return nil
	}
	for _, word := range []string{"dead-letter-exchange", "ha-mode"} {
		if v, ok := definition[word]; ok {
			found = append(found, fmt.Sprintf("%s: %v", word, v))
		}
	}
	if v, _ := definition["overflow"].(string); strings.HasPrefix(v, "reject") {
		found = append(found, "overflow: "+v)
	}
	return found
}

func (t *tap) policyOf(ctx context.Context, queue string) (p effectivePolicy, err error) {
	ctx, cancel := context.WithTimeout(ctx, managementTimeout)
	defer cancel()
	base, err := managementURL(t.Management)
	if err != nil {
		return p, err
	}
	target := base.JoinPath("api", "queues", url.PathEscape(t.URI.Vhost), url.PathEscape(queue))
	target.User = nil
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return p, err
	}
	if user := base.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	} else {
		req.SetBasicAuth(t.URI.Username, t.URI.Password)
	}
	transport := &http.Transport{DisableKeepAlives: true} // one request a connection of the tap: nothing to keep
	if base.Scheme == "https" {
		if transport.TLSClientConfig, err = t.TLS.load(base.Hostname()); err != nil {
			return p, err
		}
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return p, fmt.Errorf("management API: %s", resp.Status)
	}
	return p, json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p)
}
