package mta

import (
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/delivery/render/fetch"
)

// TestDownloadSettings are judged before anything is opened.
func TestDownloadSettings(t *testing.T) {
	for key, wrong := range map[string]string{"download-cache": "couchbase://host/bucket",
		"download-proxy":     "gopher://host",
		"download-whitelist": "everything", "download-log-file": filepath.Join(t.TempDir(), "no", "such.log"),
		"download-log-format": "{if $url}", "download-ttl": "soon"} {
		args, _ := arguments(t)
		_, _, err := Load(append(args, "--"+key, wrong), nil)
		require.ErrorContains(t, err, key, "%s: %s", key, wrong)
	}
}

// TestDownloadTerms follow the configuration in force, as after a reload.
func TestDownloadTerms(t *testing.T) {
	args, _ := arguments(t)
	var current atomic.Pointer[config.Config]
	load := func(more ...string) *fetch.Terms {
		cfg, _, err := Load(append(args, more...), nil)
		require.NoError(t, err)
		current.Store(cfg)
		return downloadTerms(current.Load())
	}
	terms := load()
	require.Regexp(t, `^Sluice \S+`, terms.UserAgent)
	require.Equal(t, time.Hour, terms.TTL)
	require.NotEmpty(t, terms.Blacklist)
	terms = load("--download-user-agent", "Ours", "--download-ttl", "60", "--proxy-server", "socks://p:1080",
		"--download-whitelist", "192.168.0.30/32:80")
	require.Equal(t, "Ours", terms.UserAgent)
	require.Equal(t, time.Minute, terms.TTL)
	require.Equal(t, "socks://p:1080", terms.Proxy)
	require.Equal(t, []fetch.Range{{Prefix: netip.MustParsePrefix("192.168.0.30/32"), Port: 80}}, terms.Whitelist)
}
