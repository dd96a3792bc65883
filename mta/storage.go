package mta

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/monitor/prometheus"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/bodystore/dir"
	"github.com/sluicemail/sluice/queue/bodystore/mongostore"
	"github.com/sluicemail/sluice/queue/bodystore/s3"
	"github.com/sluicemail/sluice/queue/bodystore/sqlstore"
	"github.com/sluicemail/sluice/queue/disk"
)

// stores are the message stores that storage-address can name.
func stores() *bodystore.Mux {
	var mux bodystore.Mux
	mux.Handle("dir", dir.OpenAddress)
	mux.Handle("directory", dir.OpenAddress)
	mux.Handle("sqlite", sqlstore.OpenAddress)
	mux.Handle("postgresql", sqlstore.OpenAddress)
	mux.Handle("postgres", sqlstore.OpenAddress)
	mux.Handle("mysql", sqlstore.OpenAddress)
	mux.Handle("s3", s3.OpenAddress)
	mux.Handle("mongodb", mongostore.OpenAddress)
	mux.Refuse("couchbase",
		"message stores in Couchbase are not supported; choose mongodb, dir, sqlite, postgresql, mysql or s3")
	return &mux
}

// mails are the messages and their mails: a queue, and perhaps a message store.
type mails struct {
	queue  queue.Queue      // puts mails into the store
	own    queue.Queue      // without what does that
	store  *bodystore.Store // nil: mails are in the queue
	config *atomic.Pointer[config.Config]
}

// openStorage opens the message store of storage-address and has a queue put mails there. A server that is away keeps
// nobody from starting: what needs it waits.
func openStorage(b *base, q queue.Queue) (*mails, error) {
	cfg := b.cfg
	m := &mails{queue: q, own: q, config: b.config}
	if cfg.StorageAddress == "" {
		return m, nil
	}
	if _, err := bodystore.ParsePolicy(cfg.StoragePolicy); err != nil {
		return nil, misconfigured{fmt.Errorf("storage-policy: %w", err)}
	}
	store, err := stores().Open(context.Background(), cfg.StorageAddress)
	if err != nil {
		return nil, misconfigured{fmt.Errorf("storage-address: %w", err)}
	}
	store.Timeout = storageTime
	store.Parallel = cfg.StorageThreads
	store.SpoolDir = cfg.QueueDir()
	store.MaxSize = max(cfg.SMTPMaxSize, storedMail)
	if cfg.SMTPMaxSize == 0 {
		store.MaxSize = math.MaxInt64 - 1
	}
	b.onClose(store.Close)
	m.store = store
	m.queue = bodystore.Wrap(q, store, m.terms)
	sweepOften(b, "message store", store)
	b.log.Info("message store opened", "policy", cfg.StoragePolicy)
	return m, nil
}

// checkStorage judges the scheme of storage-address before anything is opened.
func checkStorage(cfg *config.Config, complain func(key, want string, cause error)) {
	if cfg.StorageAddress == "" {
		return
	}
	if err := stores().Check(cfg.StorageAddress); err != nil {
		complain("storage-address", "a message store that this program has", err)
	}
}

// elsewhere is where the engine finds mails that are not in the queue.
func (m *mails) elsewhere() delivery.Store {
	if m.store == nil {
		return nil
	}
	return m.store
}

// storesIncoming reports whether mails that come in go to the message store.
func (m *mails) storesIncoming() bool {
	policy := m.terms().Policy
	return m.store != nil && (policy == bodystore.In || policy == bodystore.All)
}

// storedMail is how large a mail may be that another program has put into the store, at least.
const storedMail = 1 << 30

// storageTime is how long any operation of the store may take; storage-timeout, which a reload can change, is less as a
// rule.
const storageTime = 10 * time.Minute

// terms are how the queue uses the store now.
func (m *mails) terms() bodystore.Terms {
	cfg := m.config.Load()
	policy, _ := bodystore.ParsePolicy(cfg.StoragePolicy) // it was looked at when it was read
	return bodystore.Terms{Policy: policy, TTL: cfg.StorageTTL, Lifetime: cfg.MaxDeliverTime, Timeout: cfg.StorageTimeout}
}

// times are storage-timeout and storage-reschedule.
func (m *mails) times() (timeout, again time.Duration) {
	cfg := m.config.Load()
	return cfg.StorageTimeout, max(cfg.StorageReschedule, time.Second)
}

// The store is swept for the first time a while after the start, when what was stopped for long had the time to fetch
// its mails.
const (
	firstSweep = 10 * time.Minute
	laterSweep = time.Hour
)

// sweepOften removes what is over from a store now and then, until all is closed.
func sweepOften(b *base, name string, store *bodystore.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		sweep(ctx, b.log.With("store", name), store)
	}()
	b.onClose(func() error {
		cancel()
		<-swept
		return nil
	})
}

func sweep(ctx context.Context, log *slog.Logger, store *bodystore.Store) {
	timer := time.NewTimer(firstSweep)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		n, err := store.Sweep(ctx)
		if n > 0 {
			log.Info("removed what is over from a store", "count", n)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			log.Warn("removing what is over from a store failed", "error", err)
		}
		timer.Reset(laterSweep)
	}
}

// counts are the queues for Prometheus.
func (m *mails) counts() ([]prometheus.QueueCount, bool) {
	inspector, ok := m.queue.(queue.Inspector)
	if !ok {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	stats, err := inspector.Queues(ctx)
	if err != nil {
		return nil, false
	}
	var all []prometheus.QueueCount
	for _, s := range stats {
		all = append(all, prometheus.QueueCount{Queue: s.Queue, State: "ready", Messages: s.Ready},
			prometheus.QueueCount{Queue: s.Queue, State: "delayed", Messages: s.Delayed},
			prometheus.QueueCount{Queue: s.Queue, State: "parked", Messages: s.Parked},
			prometheus.QueueCount{Queue: s.Queue, State: "out", Messages: s.Out})
	}
	return all, true
}

// damaged is implemented by queues that can be damaged.
type damaged interface{ Damage() disk.Damage }

// damage is the damage for Prometheus.
func (m *mails) damage() (prometheus.QueueDamage, bool) {
	q, ok := m.own.(damaged)
	if !ok {
		return prometheus.QueueDamage{}, false
	}
	d := q.Damage()
	return prometheus.QueueDamage{Places: d.Places, Messages: d.Messages, Mails: d.Mails, Bytes: d.Bytes}, true
}
