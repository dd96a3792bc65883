package mta

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/bodystore"
	"github.com/sluicemail/sluice/queue/bodystore/dir"
	"github.com/sluicemail/sluice/queue/bodystore/mongostore"
	"github.com/sluicemail/sluice/queue/bodystore/s3"
	"github.com/sluicemail/sluice/queue/bodystore/sqlstore"
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

// openStorage opens the message store of storage-address and has the queue put mails there. A server that is away keeps
// nobody from starting: what needs it waits.
func (a *app) openStorage(cfg *config.Config) error {
	if cfg.StorageAddress == "" {
		return nil
	}
	if _, err := bodystore.ParsePolicy(cfg.StoragePolicy); err != nil {
		return misconfigured{fmt.Errorf("storage-policy: %w", err)}
	}
	store, err := stores().Open(context.Background(), cfg.StorageAddress)
	if err != nil {
		return misconfigured{fmt.Errorf("storage-address: %w", err)}
	}
	store.Timeout = storageTime
	store.Parallel = cfg.StorageThreads
	store.SpoolDir = queueDir(cfg)
	store.MaxSize = max(cfg.SMTPMaxSize, storedMail)
	if cfg.SMTPMaxSize == 0 {
		store.MaxSize = math.MaxInt64 - 1
	}
	a.storage = store
	a.onClose(store.Close)
	a.queue = bodystore.Wrap(a.queue, store, a.storageTerms)
	ctx, cancel := context.WithCancel(context.Background())
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		a.sweepStorage(ctx)
	}()
	a.onClose(func() error {
		cancel()
		<-swept
		return nil
	})
	a.log.Info("message store opened", "policy", cfg.StoragePolicy)
	return nil
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

// mailStore is where the engine finds mails that are not in the queue.
func (a *app) mailStore() delivery.Store {
	if a.storage == nil {
		return nil
	}
	return a.storage
}

// storedQueue is the queue itself, without what puts mails elsewhere.
func (a *app) storedQueue() queue.Queue {
	if w, ok := a.queue.(interface{ Unwrap() queue.Queue }); ok {
		return w.Unwrap()
	}
	return a.queue
}

// storesIncoming reports whether mails that come in go to the message store.
func (a *app) storesIncoming() bool {
	policy := a.storageTerms().Policy
	return a.storage != nil && (policy == bodystore.In || policy == bodystore.All)
}

// storedMail is how large a mail may be that another program has put into the store, at least.
const storedMail = 1 << 30

// storageTime is how long any operation of the store may take; storage-timeout, which a reload can change, is less as a
// rule.
const storageTime = 10 * time.Minute

// storageTerms are how the queue uses the store now.
func (a *app) storageTerms() bodystore.Terms {
	cfg := a.config.Load()
	policy, _ := bodystore.ParsePolicy(cfg.StoragePolicy) // it was looked at when it was read
	return bodystore.Terms{Policy: policy, TTL: cfg.StorageTTL, Lifetime: cfg.MaxDeliverTime, Timeout: cfg.StorageTimeout}
}

// storageTimes are storage-timeout and storage-reschedule.
func (a *app) storageTimes() (timeout, again time.Duration) {
	cfg := a.config.Load()
	return cfg.StorageTimeout, max(cfg.StorageReschedule, time.Second)
}

// The store is swept for the first time a while after the start, when what was stopped for long had the time to fetch
// its mails.
const (
	firstSweep = 10 * time.Minute
	laterSweep = time.Hour
)

// sweepStorage removes what is over from the store, now and then.
func (a *app) sweepStorage(ctx context.Context) {
	timer := time.NewTimer(firstSweep)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		n, err := a.storage.Sweep(ctx)
		if n > 0 {
			a.log.Info("removed old mails from the message store", "count", n)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			a.log.Warn("removing old mails from the message store failed", "error", err)
		}
		timer.Reset(laterSweep)
	}
}
