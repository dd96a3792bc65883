package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	redis "github.com/redis/go-redis/v9"
)

// The times that make leases exact; see the package's story.
const (
	leaseLife  = time.Second            // a lease is spent within
	lookAhead  = 500 * time.Millisecond // what is leased may lie so far ahead
	settling   = 5 * time.Second        // an epoch begins with introductions
	memberLife = 10 * time.Second       // an instance counts without having been heard of
	beat       = 2 * time.Second        // every instance is heard of
	maxCall    = 200                    // operations that one call of the script may have
)

// kinds of limits, as the script knows them.
const (
	kindCount = 'c'
	kindBytes = 'b'
	kindSlots = 's'
)

// op is what is asked for one limit.
type op struct {
	lane  *lane
	key   string
	kind  byte
	limit int64
	want  int64 // units, or more connections
	need  int64 // of bytes: least that is of use; of connections: in use
	back  lease // what is given back: its units; zero units: nothing
	age   int64 // microseconds since the last unit was spent unknown to the store; negative: none was
}

// answer to an op.
type answer struct {
	granted int64
	hint    time.Duration // until it makes sense to ask again
	until   int64         // to give it back with: theoretical arrival time
	mark    int64         // likewise: what had been returned, or where it is logged; of slots: 1 when others go short
}

// header of all answers.
type header struct {
	now     int64 // microseconds of the store's clock
	epoch   int64 // when it began to remember
	age     time.Duration
	members int
}

// call is what one exchange asks.
type call struct {
	reset string // epoch that is to end; "": none; "any"
	ops   []op
}

// store is where limits are shared.
type store interface {
	exchange(ctx context.Context, c call) (header, []answer, error)
	close() error
}

//go:embed lease.lua
var leaseScript string

// remote is a store in Redis.
type remote struct {
	clients  []*redis.Client // in order of preference
	script   *redis.Script
	instance string
	prefix   string
	clock    string // "0", or a time for tests
}

// openRemote connects when it is first used.
func openRemote(addresses []string, o Options) (*remote, error) {
	if len(addresses) == 0 {
		return nil, errors.New("redis address: expected one")
	}
	r := &remote{script: redis.NewScript(leaseScript), instance: o.Instance, prefix: o.Prefix, clock: "0"}
	for _, address := range addresses {
		options, err := parseAddress(address)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		options.DialTimeout, options.ReadTimeout, options.WriteTimeout = o.Timeout, o.Timeout, o.Timeout
		options.ContextTimeoutEnabled = true
		options.MaxRetries, options.DialerRetries = -1, 1
		options.PoolSize, options.MaxIdleConns = 2, 1
		options.Protocol, options.DisableIdentity = 2, true
		if options.TLSConfig != nil && o.TLS != nil {
			name := options.TLSConfig.ServerName
			if options.TLSConfig = o.TLS.Clone(); options.TLSConfig.ServerName == "" {
				options.TLSConfig.ServerName = name
			}
		}
		options.Dialer = quietly(redis.NewDialer(options))
		r.clients = append(r.clients, redis.NewClient(options))
	}
	return r, nil
}

func (r *remote) close() error {
	var errs []error
	for _, client := range r.clients {
		errs = append(errs, client.Close())
	}
	return errors.Join(errs...)
}

// exchange asks the first server that answers.
func (r *remote) exchange(ctx context.Context, c call) (h header, answers []answer, err error) {
	for _, client := range r.clients {
		if h, answers, err = r.ask(ctx, client, c); err == nil {
			return h, answers, nil
		}
	}
	return h, nil, err
}

// ask makes one round trip. A server that does not have the script is new, or was restarted, or was emptied: an epoch
// begins.
func (r *remote) ask(ctx context.Context, client *redis.Client, c call) (header, []answer, error) {
	results, err := r.send(ctx, client, c, r.script.EvalSha)
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		c.reset = "any"
		results, err = r.send(ctx, client, c, r.script.Eval)
	}
	if err != nil {
		return header{}, nil, err
	}
	return readReplies(results, len(c.ops))
}

type eval func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// send sends a call in as many pieces as the script is not to take longer for.
func (r *remote) send(ctx context.Context, client *redis.Client, c call, run eval) ([]*redis.Cmd, error) {
	pipe := client.Pipeline()
	var results []*redis.Cmd
	for ops := c.ops; len(ops) > 0 || len(results) == 0; {
		n := min(len(ops), maxCall)
		keys, args := r.arguments(ops[:n], c.reset)
		results = append(results, run(ctx, pipe, keys, args...))
		ops, c.reset = ops[n:], ""
	}
	_, err := pipe.Exec(ctx)
	return results, err
}

func (r *remote) arguments(ops []op, reset string) (keys []string, args []any) {
	keys = append(make([]string, 0, 2+len(ops)), r.prefix+":epoch", r.prefix+":members")
	args = append(make([]any, 0, 7+8*len(ops)), r.clock, reset, r.instance, memberLife.Milliseconds(),
		leaseLife.Microseconds(), lookAhead.Microseconds(), settling.Microseconds())
	for i := range ops {
		o := &ops[i]
		keys = append(keys, r.prefix+":"+o.key)
		args = append(args, string(rune(o.kind)), o.limit, o.want, o.need, o.back.units, o.back.until, o.back.mark, o.age)
	}
	return keys, args
}

// readReplies reads what the script returns; a server that returns anything else is as good as away.
func readReplies(results []*redis.Cmd, ops int) (h header, answers []answer, err error) {
	answers = make([]answer, 0, ops)
	for i, result := range results {
		values, err := result.Slice()
		if err != nil {
			return h, nil, err
		}
		n := make([]int64, len(values))
		for i, value := range values {
			if n[i], err = integer(value); err != nil {
				return h, nil, err
			}
		}
		if len(n) < 4 || len(n)%4 != 0 {
			return h, nil, fmt.Errorf("redis returned %d values for leases", len(n))
		}
		if i == 0 {
			h = header{now: n[0], epoch: n[1], age: micros(n[2]), members: int(n[3])}
		}
		for n = n[4:]; len(n) > 0; n = n[4:] {
			answers = append(answers, answer{granted: max(0, n[0]), hint: max(0, micros(n[1])), until: n[2], mark: n[3]})
		}
	}
	if len(answers) != ops {
		return h, nil, fmt.Errorf("redis returned %d leases, expected %d", len(answers), ops)
	}
	return h, answers, nil
}

func micros(n int64) time.Duration {
	const most = int64(24 * time.Hour / time.Microsecond)
	return time.Duration(max(-most, min(n, most))) * time.Microsecond
}

func integer(value any) (int64, error) {
	switch v := value.(type) {
	case int64:
		return v, nil
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, errors.New("redis returned a lease that is not a number")
}
