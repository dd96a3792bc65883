package enqueue

import (
	"crypto/tls"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/smtpin"
)

func TestIDs(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	makers := []*idMaker{newIDMaker(1, now), newIDMaker(1, now), newIDMaker(2, now), newIDMaker(11, now),
		newIDMaker(1, now.Add(time.Microsecond))}
	for _, m := range makers {
		for range 3000 {
			id := string(m.appendID(nil, m.reserve(1)))
			require.False(t, seen[id], id)
			seen[id] = true
			require.Regexp(t, `^[0-9]+-[0-9a-v]{15,}$`, id)
			require.LessOrEqual(t, len(id), 21)
		}
	}
	require.Equal(t, "1-", makers[0].prefix[:2])
	require.LessOrEqual(t, len(newIDMaker(^uint(0), now).appendID(nil, ^uint64(0))), maxIDLen)
}

func TestIDsOfManyGoroutines(t *testing.T) {
	m := newIDMaker(1, time.Now())
	var seen sync.Map
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 1000 {
				first := m.reserve(3)
				for i := range uint64(3) {
					_, twice := seen.LoadOrStore(string(m.appendID(nil, first+i)), true)
					require.False(t, twice)
				}
			}
		})
	}
	wait.Wait()
}

func TestMapping(t *testing.T) {
	prefixes := func(s ...string) (p []netip.Prefix) {
		for _, s := range s {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	defaults := []netip.Addr{netip.MustParseAddr("1.2.3.4"), netip.MustParseAddr("4.5.6.7")}
	listed := Mapping{Default: defaults, Mappable: prefixes("1.2.3.0/24", "127.0.0.2/32", "2001:db8::/64"),
		MappableSet: true, Unmappable: prefixes("1.2.3.28/32")}
	for _, tt := range []struct {
		name    string
		mapping Mapping
		local   string
		want    []string
	}{
		{"zero", Mapping{}, "5.6.6.5", []string{"5.6.6.5"}},
		{"zero, mapped IPv6", Mapping{}, "::ffff:5.6.6.5", []string{"5.6.6.5"}},
		{"zero, loopback", Mapping{}, "127.0.0.1", nil},
		{"zero, IPv6 loopback", Mapping{}, "::1", nil},
		{"zero, link-local", Mapping{}, "fe80::1%eth0", nil},
		{"zero, unspecified", Mapping{}, "0.0.0.0", nil},
		{"loopback goes to defaults", Mapping{Default: defaults}, "127.0.0.1", []string{"1.2.3.4", "4.5.6.7"}},
		{"unmappable", Mapping{Default: defaults, Unmappable: prefixes("5.6.6.0/24")}, "5.6.6.5",
			[]string{"1.2.3.4", "4.5.6.7"}},
		{"unmappable without defaults", Mapping{Unmappable: prefixes("5.6.6.0/24")}, "5.6.6.5", nil},
		{"listed", listed, "1.2.3.100", []string{"1.2.3.100"}},
		{"listed loopback", listed, "127.0.0.2", []string{"127.0.0.2"}},
		{"listed IPv6", listed, "2001:db8::9", []string{"2001:db8::9"}},
		{"listed but unmappable", listed, "1.2.3.28", []string{"1.2.3.4", "4.5.6.7"}},
		{"not listed", listed, "5.6.6.5", []string{"1.2.3.4", "4.5.6.7"}},
		{"empty list", Mapping{MappableSet: true}, "5.6.6.5", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, tt.mapping.IPs(netip.MustParseAddr(tt.local)))
		})
	}
	require.Nil(t, new(Mapping).IPs(netip.Addr{}))
}

func TestReceivedField(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 16, 39, 0, time.FixedZone("", 3600))
	info := smtpin.ConnInfo{Hostname: "client.example", ServerName: "mx.example",
		Remote: netip.MustParseAddrPort("198.51.100.7:4321")}
	for _, tt := range []struct {
		name   string
		change func(*smtpin.ConnInfo)
		only   string
		want   string
	}{
		{"plain", func(*smtpin.ConnInfo) {}, "x@remote.example",
			"Received: from client.example ([198.51.100.7])\r\n\tby mx.example with ESMTP\r\n\tid 1-abc\r\n\tfor <x@remote.example>;\r\n\tSat, 21 Nov 2026 09:16:39 +0000\r\n"},
		{"TLS and AUTH", func(i *smtpin.ConnInfo) {
			i.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256}
			i.User = "joe"
		}, "",
			"Received: from client.example ([198.51.100.7])\r\n\tby mx.example with ESMTPSA (TLS1.3 TLS_AES_128_GCM_SHA256)\r\n\tid 1-abc;\r\n\tSat, 21 Nov 2026 09:16:39 +0000\r\n"},
		{"IPv6 and HELO", func(i *smtpin.ConnInfo) { i.HELO, i.Remote = true, netip.MustParseAddrPort("[2001:db8::1]:9") },
			"",
			"Received: from client.example ([IPv6:2001:db8::1])\r\n\tby mx.example with SMTP\r\n\tid 1-abc;\r\n\tSat, 21 Nov 2026 09:16:39 +0000\r\n"},
		{"no address, odd name", func(i *smtpin.ConnInfo) {
			*i = smtpin.ConnInfo{Hostname: "a b;(c)\r\nX: y\xff", Listener: &smtpin.Listener{LMTP: true}}
		}, "",
			"Received: from a?b??c???X:?y?\r\n\tby unknown with LMTP\r\n\tid 1-abc;\r\n\tSat, 21 Nov 2026 09:16:39 +0000\r\n"},
		{"address literal", func(i *smtpin.ConnInfo) { i.Hostname = "[IPv6:2001:db8::1]" }, "",
			"Received: from [IPv6:2001:db8::1] ([198.51.100.7])\r\n\tby mx.example with ESMTP\r\n\tid 1-abc;\r\n\tSat, 21 Nov 2026 09:16:39 +0000\r\n"},
		{"control characters in the recipient", func(*smtpin.ConnInfo) {}, "x\r\n@remote.example",
			"Received: from client.example ([198.51.100.7])\r\n\tby mx.example with ESMTP\r\n\tid 1-abc;\r\n\tSat, 21 Nov 2026 09:16:39 +0000\r\n"},
		{"recipient beyond ASCII", func(*smtpin.ConnInfo) {}, "jörg@remote.example",
			"Received: from client.example ([198.51.100.7])\r\n\tby mx.example with ESMTP\r\n\tid 1-abc;\r\n\tSat, 21 Nov 2026 09:16:39 +0000\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := info
			tt.change(&c)
			require.Equal(t, tt.want, string(appendReceived(nil, smtpin.NewConn(c), "1-abc", tt.only, now)))
		})
	}
	c := info
	c.Hostname = strings.Repeat("n", 5000)
	for _, line := range strings.Split(string(appendReceived(nil, smtpin.NewConn(c), "1-abc", "", now)), "\r\n") {
		require.LessOrEqual(t, len(line), 998)
	}
}

func TestSpoolErrors(t *testing.T) {
	for errno, want := range map[syscall.Errno]error{
		syscall.ENOSPC: queue.ErrFull, syscall.EDQUOT: queue.ErrFull, syscall.EFBIG: queue.ErrFull,
		syscall.EIO: queue.ErrUnavailable, syscall.EACCES: queue.ErrUnavailable, syscall.EMFILE: queue.ErrUnavailable,
	} {
		require.ErrorIs(t, spoolError("/spool", &os.PathError{Op: "write", Path: "x", Err: errno}), want, errno)
	}
}

// TestFullSpool writes to the device that is always full.
func TestFullSpool(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	b := &Backend{SpoolDir: t.TempDir(), MemoryLimit: 10}
	r := receiver{backend: b, limit: 10}
	r.begin(nil, 0)
	_, _ = r.Write([]byte("A: b\r\n\r\n"))
	_, _ = r.Write([]byte("more text"))
	require.NotNil(t, r.file)
	require.NoError(t, r.file.file.Close())
	r.file.file = full
	for range 10 {
		n, err := r.Write(make([]byte, 60_000))
		require.NoError(t, err, "the rest of the mail must be taken all the same")
		require.Equal(t, 60_000, n)
	}
	_, err = r.finish()
	require.ErrorIs(t, err, queue.ErrFull)
	r.discard()
}

// TestNamedSpoolFiles is what happens to file systems without nameless files.
func TestNamedSpoolFiles(t *testing.T) {
	dir := t.TempDir()
	f, name, err := createNamed(dir)
	require.NoError(t, err)
	matched, err := filepath.Match(spoolPattern, filepath.Base(name))
	require.NoError(t, err)
	require.True(t, matched, "CleanSpool must find %s", name)
	r := receiver{backend: &Backend{}, file: &spoolFile{file: f, name: name}}
	r.discard()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
	_, err = f.Stat()
	require.ErrorIs(t, err, os.ErrClosed)
}
