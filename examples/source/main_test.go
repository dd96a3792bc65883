package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/internal/smtptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen serves a sink until the test ends.
func listen(t *testing.T, s *smtptest.Sink) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.NoError(t, <-served)
	})
	return l.Addr().String()
}

func TestRun(t *testing.T) {
	config, _, err := smtptest.SelfSigned()
	require.NoError(t, err)
	got := make(chan *smtptest.Received, 100)
	ids := filepath.Join(t.TempDir(), "ids")
	o := &options{
		Connect: listen(t, &smtptest.Sink{TLS: config, Received: func(r *smtptest.Received) { got <- r }}), Sessions: 2,
		Messages: 10,
		Size:     "2KiB", Rcpts: 2, Domains: "3", Seq: true, First: 1, IDs: ids, StartTLS: true,
		Header:  []string{"x-mq-tag: news"},
		MaxTime: 20 * time.Second, Progress: true,
	}
	var out bytes.Buffer
	require.NoError(t, run(o, &out))
	require.Contains(t, out.String(), "accepted 10 mails for 20 recipients")
	mail := <-got
	require.True(t, mail.TLS)
	require.True(t, bytes.HasPrefix(mail.Data, []byte("x-mq-tag: news\r\n")))
	require.Len(t, mail.Recipients, 2)
	text, err := os.ReadFile(ids)
	require.NoError(t, err)
	require.Equal(t, 20, strings.Count(string(text), "\n"))
}

func TestRefusalsAreAnError(t *testing.T) {
	o := &options{
		Connect: listen(t, new(smtptest.Sink)), Sessions: 1, Messages: 3, Size: "1KiB", Domains: "452.test", Seq: true,
		MaxTime: 20 * time.Second,
	}
	var out bytes.Buffer
	require.ErrorContains(t, run(o, &out), "3 of 3 mails were not accepted")
	require.Contains(t, out.String(), "reply 452: 3")
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]*options{
		"size":    {Size: "big"},
		"domains": {Size: "1KiB", Domains: "0"},
		"header":  {Size: "1KiB", Header: []string{"a: b\r\nc: d"}},
		"remote":  {Size: "1KiB", Connect: "192.0.2.1:25", MaxTime: time.Second},
	} {
		require.Error(t, run(o, new(bytes.Buffer)), name)
	}
}
