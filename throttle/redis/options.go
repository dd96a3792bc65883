package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	redis "github.com/redis/go-redis/v9"
)

// Options of a [Throttler]. The zero Options work.
type Options struct {
	// Instance names this instance among the instances that share limits; "": a name made at random.
	Instance string
	// Prefix begins the names of all keys; instances with the same one share limits. "": "sluice".
	Prefix string
	// Share is the part of each limit that this instance keeps to while it cannot share: 1 is all of it. Zero: the
	// limits are divided by the number of instances that were last seen, and are whole when none ever was.
	Share float64
	// Timeout is how long Redis may take to answer before it counts as away; zero: half a second. It bounds for how
	// long mail waits when Redis hangs, once. More than half a second is taken for that.
	Timeout time.Duration
	// TLS is for addresses with rediss; nil: the system's roots, and the name in the address.
	TLS *tls.Config
	// Logger is told when Redis goes away and comes back; nil: nobody is.
	Logger *slog.Logger
}

// parseAddress reads redis://user:password@host:port/db, or rediss. Its errors have no password.
func parseAddress(address string) (*redis.Options, error) {
	if !strings.HasPrefix(address, "redis://") && !strings.HasPrefix(address, "rediss://") {
		return nil, errors.New("redis address: expected redis://:password@host:port/db or rediss://…")
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil,
			errors.New("redis address: not a URL; expected redis://:password@host:port/db, special characters of the password as %XX")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("redis address at %s: expected nothing behind the database's number", u.Host)
	}
	options, err := redis.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("redis address at %s: expected redis://:password@host:port/db", u.Host)
	}
	return options, nil
}
