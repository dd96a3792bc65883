package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/disk"
	"github.com/sluicemail/sluice/throttle"
)

// static is a router that sends each domain to an address of its own, or to a common one.
type static struct {
	common  netip.AddrPort
	domains map[string]netip.AddrPort
}

func (s *static) Cached(domain string) (*delivery.Route, error, bool) {
	at, ok := s.domains[domain]
	if !ok {
		at = s.common
	}
	return &delivery.Route{Site: domain, Relay: true,
		Hosts: []delivery.Host{{Name: at.Addr().String(), Port: int(at.Port()), AllowPrivate: true}}}, nil, true
}

func (s *static) Route(_ context.Context, domain string) (*delivery.Route, error) {
	route, err, _ := s.Cached(domain)
	return route, err
}

func (s *static) Addresses(_ context.Context, host delivery.Host) ([]netip.Addr, error) {
	addr, err := netip.ParseAddr(host.Name)
	return []netip.Addr{addr}, err
}

// listen serves a sink on a free port.
func listen(t testing.TB, sink *smtptest.Sink) netip.AddrPort {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- sink.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, sink.Close())
		require.NoError(t, <-served)
	})
	return netip.MustParseAddrPort(l.Addr().String())
}

// realWorld is a world of real sockets and files.
func realWorld(t *testing.T, router delivery.Router) *world {
	w := newWorld(t)
	q, err := disk.Open(t.TempDir(), disk.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	w.queue = q
	w.Engine = &delivery.Engine{Queue: q, Router: router, Sender: &smtpout.Sender{}, Monitor: w.events, Names: w.Names,
		Logger: slog.New(slog.DiscardHandler), Hostname: "sluice.test"}
	return w
}

func TestEveryFateOverTheWire(t *testing.T) {
	at := func(stage smtptest.Stage, a smtptest.Action) *smtptest.Sink {
		return &smtptest.Sink{Rules: []smtptest.Rule{{Stage: stage, Action: a}}}
	}
	hang, drop := smtptest.Action{Act: smtptest.Hang}, smtptest.Action{Act: smtptest.Drop}
	garbage := smtptest.Action{Act: smtptest.Garbage}
	refused := func(s smtptest.Stage, permanent bool) smtptest.Action { return smtptest.Refusal(s, permanent) }
	tests := map[string]struct { // by local part of the recipient, or name of the case
		sink *smtptest.Sink // nil: the common one
		fate fate
		want string
	}{
		"ok":           {nil, success, "message/accepted 250"},
		"reject":       {nil, failed, "rcptto/error 550"},
		"reject-data":  {nil, failed, "data/error 554"},
		"reject-dot":   {nil, failed, "message/error 554"},
		"defer":        {nil, again, "rcptto/error 450"},
		"defer-data":   {nil, again, "data/error 451"},
		"defer-dot":    {nil, again, "message/error 451"},
		"421":          {nil, again, "rcptto/error 421"},
		"421-data":     {nil, again, "data/error 421"},
		"421-dot":      {nil, again, "message/error 421"},
		"552":          {nil, failed, "rcptto/error 552"},
		"hang":         {nil, again, "rcptto/timeout 0"},
		"hang-data":    {nil, again, "data/timeout 0"},
		"hang-dot":     {nil, again, "message/timeout 0"},
		"close":        {nil, again, "mailfrom/lost 0"}, // the reply to MAIL goes under with it
		"close-data":   {nil, again, "mailfrom/lost 0"},
		"close-dot":    {nil, again, "message/lost 0"},
		"garbage":      {nil, again, "rcptto/invalid 0"},
		"intro-reject": {at(smtptest.Connect, refused(smtptest.Connect, true)), again, "intro/error 554"},
		"intro-defer":  {at(smtptest.Connect, refused(smtptest.Connect, false)), again, "intro/error 421"},
		"intro-hang":   {at(smtptest.Connect, hang), again, "intro/timeout 0"},
		"intro-close":  {at(smtptest.Connect, drop), again, "intro/lost 0"},
		"intro-odd":    {at(smtptest.Connect, garbage), again, "intro/invalid 0"},
		"ehlo-defer":   {at(smtptest.Helo, refused(smtptest.Helo, false)), again, "ehlo/error 450"},
		"ehlo-hang":    {at(smtptest.Helo, hang), again, "ehlo/timeout 0"},
		"ehlo-close":   {at(smtptest.Helo, drop), again, "ehlo/lost 0"},
		"helo-reject":  {at(smtptest.Helo, refused(smtptest.Helo, true)), again, "helo/error 550"},
		"mail-reject":  {at(smtptest.Mail, refused(smtptest.Mail, true)), failed, "mailfrom/error 550"},
		"mail-defer":   {at(smtptest.Mail, refused(smtptest.Mail, false)), again, "mailfrom/error 451"},
		"mail-hang":    {at(smtptest.Mail, hang), again, "mailfrom/timeout 0"},
		"mail-close":   {at(smtptest.Mail, drop), again, "mailfrom/lost 0"},
		"unreachable":  {nil, again, "connect/error 451"},
	}
	router := &static{common: listen(t, &smtptest.Sink{}), domains: map[string]netip.AddrPort{}}
	w := realWorld(t, router)
	const soon = 400 * time.Millisecond
	w.Throttle = &pacer{limits: throttle.Limits{Timeouts: throttle.Timeouts{Connect: 5 * time.Second, Intro: soon,
		Command: soon, Data: soon, Message: soon}}}
	for name, test := range tests {
		domain := name + "-case.test"
		if test.sink != nil {
			router.domains[domain] = listen(t, test.sink)
		}
		if name == "unreachable" {
			l, err := net.Listen("tcp", "127.0.0.2:0")
			require.NoError(t, err)
			router.domains[domain] = netip.MustParseAddrPort(l.Addr().String())
			require.NoError(t, l.Close())
		}
		w.publish(mail(name + "@" + domain))
	}
	w.start()
	require.Eventually(t, func() bool {
		return w.stats("success").Ready+w.stats("failure").Ready+w.stats("retry").Ready == len(tests)
	}, 30*time.Second, 10*time.Millisecond)
	for _, queueName := range []fate{success, failed, again} {
		for _, m := range w.take(string(queueName)) {
			name := m.Recipient[:len(m.Recipient)-len("@"+domainOf(m.Recipient))]
			require.Equal(t, tests[name].want, last(m), name)
			require.Equal(t, tests[name].fate, queueName, name)
			require.Len(t, m.Results, 1, name)
		}
	}
	w.shutDown()
	w.cancel()
}

func TestMailsOverTheWireArriveOnceEach(t *testing.T) {
	const n = 1500
	var mu sync.Mutex
	arrived := map[string]int{}
	sink := &smtptest.Sink{
		MaxMessages: 40, MaxConnections: 6,
		Rules: []smtptest.Rule{
			{Stage: smtptest.Connect, Share: 0.1, Action: smtptest.Refusal(smtptest.Connect, false)},
			{Stage: smtptest.Rcpt, Share: 0.03, Action: smtptest.Refusal(smtptest.Rcpt, false)},
			{Stage: smtptest.Rcpt, Share: 0.01, Action: smtptest.Action{Act: smtptest.Reply, Code: 421, Text: "4.3.2 enough"}},
			{Stage: smtptest.Mail, Share: 0.01, Action: smtptest.Action{Act: smtptest.Drop}},
			{Stage: smtptest.Data, Share: 0.01, Action: smtptest.Refusal(smtptest.Data, false)},
			{Stage: smtptest.Dot, Share: 0.01, Action: smtptest.Refusal(smtptest.Dot, false)},
		},
		Received: func(r *smtptest.Received) {
			mu.Lock()
			defer mu.Unlock()
			for _, to := range r.Recipients {
				arrived[to]++
			}
		},
	}
	w := realWorld(t, &static{common: listen(t, sink)})
	w.Retry.Intervals = []time.Duration{time.Second}
	w.Throttle = &pacer{limits: throttle.Limits{Connection: throttle.PerConnection{Offline: 100 * time.Millisecond}}}
	w.PathQueue = 100
	w.start()
	for i := range n {
		w.publish(mail(fmt.Sprintf("r%d@d%d.test", i, i%5)))
	}
	require.Eventually(t, func() bool { return w.stats("success").Ready == n }, 60*time.Second, 20*time.Millisecond)
	w.shutDown()
	w.cancel()
	require.Len(t, arrived, n)
	for _, m := range w.take("success") {
		// A sink that drops the connection drops the reply to the mail before as well: then nobody can know.
		unknown := 0
		for _, r := range m.Results {
			if r.State == queue.StateMessage && r.Result == queue.Lost {
				unknown++
			}
		}
		require.GreaterOrEqual(t, arrived[m.Recipient], 1, m.Recipient)
		require.LessOrEqual(t, arrived[m.Recipient], 1+unknown, "%s: %v", m.Recipient, pairs(m))
	}
	require.Zero(t, w.left("outbox"))
}
