package amqptap

import (
	"errors"
	"net/url"
	"strings"
)

// checkManagement is what can be said of the management URL before its placeholders are known.
func checkManagement(address string) error {
	if address == "" || strings.HasPrefix(address, "{") {
		return nil
	}
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(address))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("management: want a URL such as http://127.0.0.1:15672")
	}
	return nil
}
