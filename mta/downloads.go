package mta

import (
	"cmp"
	"context"
	"fmt"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery/render/fetch"
	"github.com/sluicemail/sluice/delivery/resolver"
)

// openDownloads makes what downloads for mails that are made here, with the cache of download-cache.
func openDownloads(b *base, r *records, dns *resolver.Resolver) (*fetch.Client, error) {
	c := &fetch.Client{Terms: func() *fetch.Terms { return downloadTerms(b.config.Load()) }, Resolver: dns, Log: r.log.Download,
		Logger: b.log}
	b.onClose(func() error {
		c.Close()
		return nil
	})
	if b.cfg.DownloadCache == "" {
		return c, nil
	}
	cache, err := stores().Open(context.Background(), b.cfg.DownloadCache)
	if err != nil {
		return nil, misconfigured{fmt.Errorf("download-cache: %w", err)}
	}
	cache.SpoolDir = b.cfg.QueueDir()
	b.onClose(cache.Close)
	sweepOften(b, "cache of downloads", cache)
	c.Store = cache
	return c, nil
}

// downloadTerms are those of a configuration.
func downloadTerms(cfg *config.Config) *fetch.Terms {
	return &fetch.Terms{
		Blacklist: fetchRanges(cfg.DownloadBlacklist),
		Whitelist: fetchRanges(cfg.DownloadWhitelist),
		Proxy:     cfg.DownloadProxy,
		UserAgent: cmp.Or(cfg.DownloadUserAgent, "Sluice "+Version()),
		TTL:       cfg.DownloadTTL,
	}
}

func fetchRanges(ranges []config.RangePort) []fetch.Range {
	all := make([]fetch.Range, len(ranges))
	for i, r := range ranges {
		all[i] = fetch.Range(r)
	}
	return all
}

// checkDownloads judges the scheme of download-cache before anything is opened.
func checkDownloads(cfg *config.Config, complain func(key, want string, cause error)) {
	if cfg.DownloadCache == "" {
		return
	}
	if err := stores().Check(cfg.DownloadCache); err != nil {
		complain("download-cache", "a message store that this program has", err)
	}
}
