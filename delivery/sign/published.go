package sign

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/internal/mailsig"
)

// Resolver looks texts up, as net.Resolver does and with its errors.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Published knows which keys have their public half in the DNS. It asks in the background and never makes a mail wait:
// a key that it has not heard of yet does not sign, and one that was there goes on signing while the DNS does not
// answer. Every key that is in use is asked for again from time to time. Close ends the look-ups.
//
// The zero Published is ready. It is safe for concurrent use.
type Published struct {
	Resolver Resolver      // nil: net.DefaultResolver
	Fresh    time.Duration // how long a key that was found is not asked for again; zero: 10 minutes
	Retry    time.Duration // the same for one that was not found, or when the DNS gave no answer; zero: 1 minute
	Now      func() time.Time
	// Changed is told of each key that was found or lost, by the name of its record; err says why it was lost or is not
	// there. It must not block. Nil: nobody is told.
	Changed func(record string, found bool, err error)

	changes atomic.Uint64 // how often an answer changed

	mu      sync.Mutex
	states  map[stateKey]*state
	pending []*state // wait for a worker
	workers int
	closed  bool
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// stateKey outlives snapshots of the settings, which make new keys each time.
type stateKey struct {
	record string
	public [sha256.Size]byte
}

type state struct {
	domain, selector string
	public           crypto.PublicKey

	// Under Published.mu.
	found bool
	known bool // there was an answer
	busy  bool // pending or being asked for
	due   time.Time
}

const (
	maxWorkers   = 4
	maxStates    = 100000           // keys that are remembered
	lookupTime   = 30 * time.Second // for one look-up
	defaultFresh = 10 * time.Minute
	defaultRetry = time.Minute
)

// Watch asks at once for all keys that depend on the DNS, so that their first mails are signed.
func (p *Published) Watch(keys *Keys) {
	if keys == nil {
		return
	}
	for _, k := range keys.all {
		if k.checkDNS {
			p.has(k)
		}
	}
}

// has tells what is known of a key, and has it asked for when that is old.
func (p *Published) has(k *key) bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := stateKey{k.record(), k.public}
	s := p.states[id]
	if s == nil {
		if len(p.states) >= maxStates || p.states == nil {
			p.states = make(map[stateKey]*state) // those in use come back by themselves
		}
		s = &state{domain: k.domain, selector: k.selector, public: k.signer.Public()}
		p.states[id] = s
	}
	if !s.busy && !p.closed && !p.now().Before(s.due) {
		s.busy = true
		p.pending = append(p.pending, s)
		p.hire()
	}
	return s.found
}

// hire starts a worker unless there are enough.
func (p *Published) hire() {
	if p.workers >= maxWorkers {
		return
	}
	if p.ctx == nil {
		p.ctx, p.cancel = context.WithCancel(context.Background())
	}
	p.workers++
	p.running.Go(p.work)
}

// work asks for keys until none waits.
func (p *Published) work() {
	for {
		p.mu.Lock()
		if len(p.pending) == 0 || p.closed {
			p.workers--
			p.mu.Unlock()
			return
		}
		s := p.pending[0]
		p.pending = p.pending[1:]
		p.mu.Unlock()
		p.ask(s)
	}
}

// errOther says that the DNS has another key under the name.
var errOther = errors.New("the public key in the DNS is another one")

func (p *Published) ask(s *state) {
	ctx, cancel := context.WithTimeout(p.ctx, lookupTime)
	defer cancel()
	resolver := p.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	keys := mailsig.Keys{Resolver: resolver, MaxBits: maxBits}
	published, err := keys.Fetch(ctx, s.domain, s.selector)
	if err == nil && !published.Matches(s.public) {
		err = errOther
	}
	var problem *mailsig.Problem
	silent := ctx.Err() != nil || errors.As(err, &problem) && problem.Kind == mailsig.DNS
	if p.learn(s, err == nil, silent) && p.Changed != nil {
		p.Changed(s.selector+"._domainkey."+s.domain, err == nil, err)
	}
}

// learn notes an answer, or that there was none, and reports whether it is another than before.
func (p *Published) learn(s *state, found, silent bool) (changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.busy = false
	wait := p.Retry
	if wait <= 0 {
		wait = defaultRetry
	}
	if found {
		if wait = p.Fresh; wait <= 0 {
			wait = defaultFresh
		}
	}
	s.due = p.now().Add(wait)
	if silent {
		return false
	}
	changed = s.found != found || !s.known
	s.found, s.known = found, true
	if changed {
		p.changes.Add(1)
	}
	return changed
}

// version grows whenever has may answer otherwise than before.
func (p *Published) version() uint64 {
	if p == nil {
		return 0
	}
	return p.changes.Load()
}

func (p *Published) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// Close breaks look-ups off and waits for their end. What is known stays; nothing is asked for any more.
func (p *Published) Close() {
	p.mu.Lock()
	p.closed = true
	if p.cancel != nil {
		p.cancel()
	}
	p.mu.Unlock()
	p.running.Wait()
}
