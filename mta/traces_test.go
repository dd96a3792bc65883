package mta

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/otlptest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestTraceOverARestart follows one mail from a client that has a trace already, through an attempt that fails and a
// restart, to its delivery.
func TestTraceOverARestart(t *testing.T) {
	const theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c := otlptest.Start(t)
	args, address := arguments(t)
	port := testserver.FreePort(t)
	args = append(args[:len(args)-1], fmt.Sprint(port), "--traces-url", c.URL, "--traces-ratio", "0",
		"--retry-interval", "1", "--smtp-check", "spf", "--dns-servers", "127.0.0.1:1", "--dns-timeout", "1")
	spans := func(name string, n int) []otlptest.Span {
		require.Eventually(t, func() bool { return len(c.Spans(name)) >= n }, patience, 10*time.Millisecond, name)
		return c.Spans(name)
	}
	with := func(sink *smtptest.Sink, name string, do func(t *testing.T)) {
		socket, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		require.NoError(t, err)
		served := make(chan error, 1)
		go func() { served <- sink.Serve(socket) }()
		t.Run(name, func(t *testing.T) {
			run(t, open(t, args, Options{}))
			do(t)
		})
		require.NoError(t, sink.Close())
		require.NoError(t, <-served)
	}
	later := smtptest.Rule{Stage: smtptest.Rcpt, Action: smtptest.Refusal(smtptest.Rcpt, false)}
	with(&smtptest.Sink{Rules: []smtptest.Rule{later}}, "put off", func(t *testing.T) {
		for to, header := range map[string]string{"a@followed.test": "x-mq-traceparent: " + theirs + "\r\n", "b@other.test": ""} {
			client, err := smtp.Dial(address)
			require.NoError(t, err)
			require.NoError(t, client.SendMail("a@example.com", []string{to},
				strings.NewReader(header+"Subject: x\r\n\r\nHello\r\n")))
			client.Close()
		}
		spans("attempt", 1)
	})
	with(&smtptest.Sink{}, "delivered", func(t *testing.T) { spans("result", 1) })

	receive := c.Spans("receive")
	require.Len(t, receive, 1, "the other mail is not followed")
	require.Equal(t, theirs[36:52], receive[0].Parent())
	for _, name := range []string{"queue", "attempt", "result"} {
		for _, s := range c.Spans(name) {
			require.Equal(t, receive[0].ID(), s.Parent(), name)
			require.Equal(t, theirs[3:35], s.Trace(), name)
		}
	}
	attempts := c.Spans("attempt")
	last := attempts[len(attempts)-1]
	require.Greater(t, len(attempts), 1)
	require.Equal(t, "int_value:250", strings.ReplaceAll(last.Attribute("mail.reply_code"), " ", ""))
	for name, parent := range map[string]otlptest.Span{"read": receive[0], "checks": receive[0], "store": receive[0],
		"connect": last, "greeting": last, "envelope": last, "mail": last} {
		all := c.Spans(name)
		require.NotEmpty(t, all, name)
		require.Equal(t, parent.ID(), all[len(all)-1].Parent(), name)
	}
	require.Empty(t, c.Spans("result")[0].Status.GetMessage())
}
