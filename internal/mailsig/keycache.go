package mailsig

import (
	"crypto"
	"crypto/rsa"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/internal/lru"
)

// KeyCache remembers what key records say: reading one costs as much as a third of verifying a signature with it. The
// zero KeyCache is ready, and safe for concurrent use.
type KeyCache struct {
	mu    sync.Mutex
	known lru.Cache[string, parsed]
}

// parsed is what ParseKey said of a record.
type parsed struct {
	key *Key
	err error
}

// The most memory that keys take together, and how much one takes beside its record, the library's part included.
const (
	cacheBytes = 16 << 20
	keyBytes   = 4 << 10
)

// parse is ParseKey with the cache, which is asked for one MaxBits only. The key is the caller's own.
func (k *Keys) parse(record string) (*Key, error) {
	if k.Cache == nil {
		return ParseKey(record, k.MaxBits)
	}
	p, again := k.Cache.get(record)
	if !again {
		p.key, p.err = ParseKey(record, k.MaxBits)
		k.Cache.put(record, p)
	} else if p.err == nil && p.key.rsa != nil && k.OpenRSA != nil {
		p.key.rsa.open(k.OpenRSA)
	}
	if p.key == nil {
		return nil, p.err
	}
	own := *p.key
	return &own, p.err
}

func (c *KeyCache) get(record string) (parsed, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.Get(record, time.Time{})
}

func (c *KeyCache) put(record string, p parsed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.Limit = cacheBytes
	c.known.Put(record, p, int64(len(record)+keyBytes), time.Time{})
}

// rsaKey is a public key, and what verifies with it.
type rsaKey struct {
	public *rsa.PublicKey
	once   sync.Once
	fast   atomic.Pointer[func(digest, signature []byte) bool] // nil: there is only crypto/rsa
}

// open has the key verified with by what an opener makes of it, also by mails that have the key already.
func (k *rsaKey) open(with OpenRSA) {
	k.once.Do(func() {
		if fast, err := with(k.public); err == nil {
			k.fast.Store(&fast)
		}
	})
}

// verify believes crypto/rsa about a signature that does not hold.
func (k *rsaKey) verify(digest, signature []byte) bool {
	fast := k.fast.Load()
	return fast != nil && (*fast)(digest, signature) ||
		rsa.VerifyPKCS1v15(k.public, crypto.SHA256, digest, signature) == nil
}
