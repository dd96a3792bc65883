package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/sluicemail/sluice/internal/lru"
)

// Cache remembers who was accepted, so that a slow back end is not asked for every connection of a client. Rejections
// and errors are not remembered. The same login at the same time is asked for once; all who wait get the answer.
//
// A login is known by a digest of service, name and password under a random key: the passwords themselves are not kept.
// The client's address is not part of it, so a back end that decides by address must not be cached.
//
// The zero value with a Backend is ready to use. It is safe for concurrent use and must not be copied.
type Cache struct {
	Backend Authenticator
	TTL     time.Duration // how long an acceptance counts; 0: 5 minutes
	Size    int           // how many are remembered, at the cost of the oldest; 0: 10,000

	once sync.Once
	key  [32]byte

	mu      sync.Mutex
	known   lru.Cache[digest, struct{}]
	flights map[digest]*flight

	forgotten int // how often Forget was called
}

type digest [sha256.Size]byte

// flight is a question to the back end that somebody waits for.
type flight struct {
	done chan struct{} // closed when the answer is there
	err  error
	void bool // the caller that asked left without an answer: ask again

	forgotten int // Cache.forgotten when it began
}

// Authenticate answers from memory, or asks the back end.
func (c *Cache) Authenticate(ctx context.Context, login Login) error {
	c.once.Do(c.prepare)
	id := c.digest(login)
	for {
		c.mu.Lock()
		if _, found := c.known.Peek(id, time.Now()); found {
			c.mu.Unlock()
			return nil
		}
		f, flying := c.flights[id]
		if !flying {
			f = &flight{done: make(chan struct{}), void: true, forgotten: c.forgotten}
			c.flights[id] = f
		}
		c.mu.Unlock()
		if !flying {
			return c.ask(ctx, login, id, f)
		}
		select {
		case <-f.done:
			if !f.void {
				return f.err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ask lets the back end decide. When the login's own client is gone meanwhile, or the back end panics, the flight stays
// void: others who wait ask for themselves.
func (c *Cache) ask(ctx context.Context, login Login, id digest, f *flight) error {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !f.void && f.err == nil && f.forgotten == c.forgotten {
			c.known.Put(id, struct{}{}, 1, time.Now().Add(c.ttl()))
		}
		delete(c.flights, id)
		close(f.done)
	}()
	err := c.Backend.Authenticate(ctx, login)
	f.err, f.void = err, err != nil && ctx.Err() != nil
	return err
}

// Forget forgets all acceptances, as after a change of passwords. Answers to questions that are under way will not be
// remembered either.
func (c *Cache) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.Clear()
	c.forgotten++
}

func (c *Cache) prepare() {
	_, _ = rand.Read(c.key[:]) // never fails
	c.known.Limit = int64(c.Size)
	if c.Size <= 0 {
		c.known.Limit = 10_000
	}
	c.flights = make(map[digest]*flight)
}

func (c *Cache) ttl() time.Duration {
	if c.TTL <= 0 {
		return 5 * time.Minute
	}
	return c.TTL
}

// digest is HMAC-SHA-256 of the three fields, the first two with their lengths, so that they cannot run into each
// other.
func (c *Cache) digest(login Login) (id digest) {
	mac := hmac.New(sha256.New, c.key[:])
	buffer := make([]byte, 0, 256)
	buffer = binary.BigEndian.AppendUint64(buffer, uint64(len(login.Service)))
	buffer = binary.BigEndian.AppendUint64(buffer, uint64(len(login.Username)))
	buffer = append(buffer, login.Service...)
	buffer = append(buffer, login.Username...)
	buffer = append(buffer, login.Password...)
	mac.Write(buffer)
	mac.Sum(id[:0])
	return id
}

// String says what is cached.
func (c *Cache) String() string { return "cache" }

// GoString is String.
func (c *Cache) GoString() string { return c.String() }
