package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/internal/rabbittest"
)

var node rabbittest.Node

func TestMain(m *testing.M) {
	code := m.Run()
	node.End()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("os/exec.(*Cmd).watchCtx")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// member is an instance whose reloads are counted.
type member struct {
	*Member
	reloads atomic.Int32
}

func join(t *testing.T, o Options, self Instance) *member {
	m := new(member)
	if o.Logger == nil {
		o.Logger = rabbittest.Quiet(t)
	}
	m.Member = Join(o, func() Instance { return self }, func() { m.reloads.Add(1) })
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func (m *member) hosts() (names []string) {
	for _, i := range m.Others() {
		names = append(names, i.Host)
	}
	return names
}

func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, rabbittest.Patience, 10*time.Millisecond, what)
}

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
)

func TestMembers(t *testing.T) {
	t.Parallel()
	o := Options{Addresses: []string{node.VHost(t)}, Exchange: "meeting"}
	a := join(t, o, Instance{Host: "a", URL: "https://a.example/", IPs: []netip.Addr{here}, Outbox: "outbox-a"})
	b := join(t, o, Instance{Host: "b", IPs: []netip.Addr{there, netip.MustParseAddr("127.0.0.1")}, Outbox: "outbox-b"})
	c := join(t, o, Instance{Host: "c", IPs: []netip.Addr{netip.MustParseAddr("192.0.2.3")}})
	for _, m := range []*member{a, b, c} {
		eventually(t, func() bool { return len(m.Others()) == 2 && m.Connected() }, "all know each other")
	}
	require.Equal(t, []string{"b", "c"}, a.hosts())
	require.Equal(t, "https://a.example/", b.Others()[0].URL)
	outbox, ok := a.Owner(there)
	require.True(t, ok)
	require.Equal(t, "outbox-b", outbox)
	for what, ip := range map[string]netip.Addr{"its own": here, "loopback": netip.MustParseAddr("127.0.0.1"),
		"of one without queues": netip.MustParseAddr("192.0.2.3"), "nobody's": netip.MustParseAddr("192.0.2.9")} {
		_, ok := a.Owner(ip)
		require.False(t, ok, what)
	}

	a.Changed()
	eventually(t, func() bool { return b.reloads.Load() == 1 && c.reloads.Load() == 1 }, "the others reload")
	require.NoError(t, Notify(t.Context(), o))
	for _, m := range []*member{a, b, c} {
		eventually(t, func() bool { return m.reloads.Load() > 0 }, "all reload")
	}
	require.EqualValues(t, 1, a.reloads.Load(), "nobody heeds himself")
	list, err := List(t.Context(), o, time.Second)
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, "b", list[1].Host)
	require.Equal(t, "outbox-b", list[1].Outbox)

	require.NoError(t, b.Close())
	eventually(t, func() bool { return len(a.Others()) == 1 }, "who leaves is forgotten at once")
	_, ok = a.Owner(there)
	require.False(t, ok)
}

// TestStrangers has another program say what it likes.
func TestStrangers(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	ch := rabbittest.Stranger(t, address)
	require.NoError(t, ch.ExchangeDeclare("cluster", amqp.ExchangeTopic, false, false, false, false, nil),
		"of another type")
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	require.NoError(t, err)
	require.NoError(t, ch.QueueBind(q.Name, "#", "cluster", false, nil))
	heard, err := ch.Consume(q.Name, "", true, true, false, false, nil)
	require.NoError(t, err)
	m := join(t, Options{Addresses: []string{address}}, Instance{Host: "a", IPs: []netip.Addr{here}, Outbox: "outbox"})
	next := func() message {
		select {
		case d := <-heard:
			said, err := parse(d.Body)
			require.NoError(t, err, "%s", d.Body)
			return said
		case <-time.After(rabbittest.Patience):
			require.Fail(t, "nothing was said")
		}
		return message{}
	}
	first := next()
	require.True(t, first.Hello)
	require.Equal(t, "a", first.Announce.Host)
	say := func(text string) {
		require.NoError(t, ch.PublishWithContext(t.Context(), "cluster", "", false, false,
			amqp.Publishing{Body: []byte(text)}))
		said := next()
		if said.From == "" {
			return // it is what we have just said
		}
	}
	for _, text := range []string{"", "reload", "[]", `{"reload": "yes"}`, `{"announce": {"host": "no id"}}`,
		`{"announce": {"id": "x", "ips": ["no address"]}}`,
		`{"leave": "nobody"}`, `{"something": "else"}`, "\xff"} {
		require.NoError(t, ch.PublishWithContext(t.Context(), "cluster", "", false, false,
			amqp.Publishing{Body: []byte(text)}))
		<-heard
	}
	say(`{"reload": true}`)
	eventually(t, func() bool { return m.reloads.Load() == 1 }, "it reloads")
	require.Empty(t, m.Others())
	say(`{"hello": true}`)
	require.Equal(t, "outbox", next().Announce.Outbox)
	for range 1000 {
		require.NoError(t, ch.PublishWithContext(t.Context(), "cluster", "", false, false,
			amqp.Publishing{Body: []byte(`{"reload": true}`)}))
	}
	eventually(t, func() bool { return m.reloads.Load() > 1 }, "it reloads again")
}

// TestBrokerAway cuts members off.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	p := rabbittest.NewProxy(t, node.Server(t).Address)
	log := new(rabbittest.Notes)
	a := join(t, Options{Addresses: []string{p.Through(address)}, Logger: log.Logger()}, Instance{Host: "a"})
	b := join(t, Options{Addresses: []string{address}}, Instance{Host: "b"})
	eventually(t, func() bool { return len(a.Others()) == 1 && len(b.Others()) == 1 }, "they know each other")
	for i := range 3 {
		p.Cut()
		a.Changed()
		eventually(t, func() bool { return b.reloads.Load() > int32(i) }, "the other is told in the end")
	}
	require.LessOrEqual(t, len(log.Lines()), 8, "%v", log)

	lost := join(t, Options{Addresses: []string{"amqp://guest:s3cret@127.0.0.1:1/"}, Logger: log.Logger()},
		Instance{Host: "lost"})
	eventually(t, func() bool { return len(log.Lines()) > 0 }, "it says so")
	lost.Changed()
	require.False(t, lost.Connected())
	require.NotContains(t, log.String(), "s3cret")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := List(ctx, Options{Addresses: []string{"amqp://guest:s3cret@127.0.0.1:1/"}}, time.Second)
	require.ErrorContains(t, err, "no broker answers")
	require.NotContains(t, err.Error(), "s3cret")
}

// TestForget drops who has not been heard of.
func TestForget(t *testing.T) {
	t.Parallel()
	m := &Member{id: "me", others: make(map[string]Instance)}
	m.owners.Store(&map[netip.Addr]string{})
	for i := range 2 * maxOthers {
		m.hear(message{Announce: &Instance{ID: fmt.Sprint("i", i), Host: "h", Outbox: "o", IPs: []netip.Addr{there}}}.text())
	}
	require.Len(t, m.Others(), maxOthers, "anybody may announce anything")
	m.forget(time.Now().Add(time.Second))
	require.Empty(t, m.Others())
	_, ok := m.Owner(there)
	require.False(t, ok)
}
