package rabbit

import (
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// TestBrokerComesAndGoes starts mtad before its broker, and takes the broker away under load. Mail is answered 451
// meanwhile, all goes on by itself, nothing is lost, and mtad says little about it. Then mtad itself is killed.
func TestBrokerComesAndGoes(t *testing.T) {
	t.Parallel()
	address := victim.VHost(t)
	server := victim.Server(t)
	server.Kill()
	l := mtatest.NewLedger()
	k := mtatest.NewSink(t, l.Sink())
	d := mtatest.Start(t, mtatest.Queues(address).With(k.Settings()).With(mtatest.Settings{"rabbitmq-retry": "",
		"rabbitmq-success": "", "retry-interval": "1"}))
	require.True(t, d.WaitLog("started without the broker"))
	require.Equal(t, 451, d.One(t))
	require.NoError(t, server.Start())
	mtatest.Eventually(t, "mail is taken when the broker is there", func() bool { return d.One(t) == 250 })
	mtatest.Eventually(t, "it is delivered", func() bool { return k.Stats().Messages > 0 })

	pour := func(first int64) (stop func() int64) {
		return l.Pour(t, d, &smtptest.Source{Sessions: 5, First: first, Size: 2 << 10, Rate: 300,
			Domains: smtptest.Domains(3, "sink.test")},
			&smtptest.Source{Sessions: 2, First: 10_000_000 + first, Size: 1 << 20, Rate: 5})
	}
	arrive := func(n int) {
		_, some, _ := l.Counts()
		mtatest.Eventually(t, "mails arrive", func() bool { _, arrived, _ := l.Counts(); return arrived >= some+n })
	}
	stop := pour(1_000_000)
	arrive(200)
	victim.Remember(t)
	server.Kill()
	mtatest.Eventually(t, "mail is refused", func() bool { return d.One(t) == 451 })
	stop()
	require.NoError(t, server.Start())
	mtatest.Eventually(t, "mail is taken again", func() bool { return d.One(t) == 250 })
	l.Settled(t)
	_, _, again := l.Counts()
	require.Zero(t, again, "no mail arrives twice while mtad lives")
	ch := rabbittest.Stranger(t, address)
	told := func() {
		_, arrived, _ := l.Counts()
		mtatest.Eventually(t, "every mail has a result",
			func() bool { return rabbittest.Waiting(t, ch, "results") >= arrived })
	}
	told() // of mails, too, that the broker handed out and lost with itself: only mtad knows of them by now

	stop = pour(2_000_000)
	arrive(200)
	d.Kill()
	stop()
	lines := strings.Count(d.Log.String(), "\n")
	require.Less(t, lines, 40, "lines about two outages:\n%s", d.Log.String())
	d = d.Again(t)
	l.Settled(t)
	rabbittest.AwaitWaiting(t, ch, "outbox", 0)
	told()
	accepted, arrived, again := l.Counts()
	t.Logf("%d accepted, %d arrived, %d again, %d results", accepted, arrived, again, rabbittest.Waiting(t, ch, "results"))
	d.Terminate(t)
}

// TestWrongSettings are refused at start, with a reason and without the password.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	ch := rabbittest.Stranger(t, address)
	_, err := ch.QueueDeclare("mine", true, false, false, false, amqp.Table{"x-max-length": int32(7)})
	require.NoError(t, err)
	secret := strings.Replace(address, ":guest@", ":s3cret@", 1)
	for _, tc := range []struct {
		name string
		set  mtatest.Settings
		want string
	}{
		{"the password", mtatest.Settings{"rabbitmq-address": secret}, "refuses the user or the password"},
		{"the virtual host", mtatest.Settings{"rabbitmq-address": address + "-not"}, "virtual host"},
		{"no URL", mtatest.Settings{"rabbitmq-address": "amqp://guest:s3cret@[::1/"}, "rabbitmq-address"},
		{"quorum with priorities", mtatest.Settings{"rabbitmq-address": address, "rabbitmq-queue-type": "quorum",
			"rabbitmq-maxpriority": "5"}, "quorum queues have no priorities"},
		{"lazy quorum", mtatest.Settings{"rabbitmq-address": address, "rabbitmq-queue-type": "quorum",
			"rabbitmq-lazy": "true"}, "cannot be lazy"},
		{"quorum that does not last", mtatest.Settings{"rabbitmq-address": address, "rabbitmq-queue-type": "quorum",
			"rabbitmq-durable": "false"}, "always durable"},
		{"declared differently", mtatest.Settings{"rabbitmq-address": address, "rabbitmq-results": "mine"},
			"declared differently"},
		{"not declared", mtatest.Settings{"rabbitmq-address": address, "rabbitmq-declare": "false",
			"rabbitmq-outbox": "nowhere"}, "there is no queue"},
	} {
		d := mtatest.Launch(t, base(t).With(tc.set))
		code := d.Exit(t, mtatest.Patience)
		require.Equal(t, 78, code, "%s: %s", tc.name, d.Log.String())
		require.Contains(t, d.Log.String(), tc.want, tc.name)
		require.NotContains(t, d.Log.String(), "s3cret", tc.name)
	}
}

// base are settings that let mtad start.
func base(t testing.TB) mtatest.Settings {
	dir := t.TempDir()
	return mtatest.Settings{"www-port": "0", "smtp-ip": "127.0.0.1", "smtp-port": mtatest.FreePort(t),
		"queue-address":    "disk://" + dir + "/queue",
		"database-address": "sqlite://" + dir + "/settings.db"}
}

// TestCheckConfig needs no broker.
func TestCheckConfig(t *testing.T) {
	t.Parallel()
	p := mtatest.Run(t, nil, "--check-config", "--rabbitmq-address=amqp://guest:s3cret@127.0.0.1:1/", "--rabbitmq-qos=7")
	require.Zero(t, p.Exit(t, mtatest.Patience), p.Log.String())
	require.Contains(t, p.Out.String(), "rabbitmq-qos")
	require.NotContains(t, p.Out.String()+p.Log.String(), "s3cret")
	p = mtatest.Run(t, nil, "--check-config", "--rabbitmq-address=amqp://127.0.0.1:1/", "--rabbitmq-queue-type=quorum",
		"--rabbitmq-maxpriority=5")
	require.Equal(t, 78, p.Exit(t, mtatest.Patience))
	require.Contains(t, p.Log.String(), "priorities")
}

// TestLargeMails takes mails as large as announced, and messages of strangers of 100 MB.
func TestLargeMails(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Start(t, mtatest.Queues(address).With(k.Settings()).With(mtatest.Settings{"smtp-maxsize": "0"}))
	require.Contains(t, d.Talk(t).Command("EHLO client.test", 250), "SIZE 100401152", "what the broker takes")
	text := "Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("0123456789", 7)+"\r\n", 100_000_000/72)
	ch := rabbittest.Stranger(t, address)
	put(t, ch, "", object{"recipient": "large@sink.test", "mime": text}.text(t))
	o := get(t, ch, "success")
	require.Equal(t, "message/accepted", o.pair(t))
	require.Equal(t, len(text), len(k.Await(t, 1)[0].Data))
	d.Send(t, &smtptest.Source{Sessions: 3, Messages: 3, Size: 20 << 20})
	k.Await(t, 4)
	require.Less(t, d.Memory(t), int64(1500<<20), "bytes of memory")
	d.Terminate(t)
}

// TestCluster has two mtads and a program that says it is another one.
func TestCluster(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	a := mtatest.Start(t, mtatest.Queues(address).With(k.Settings()).With(mtatest.Settings{"smtp-hostname": "a.test",
		"rabbitmq-outbox": "outbox-a", "rabbitmq-inbox": "outbox-a"}))
	b := mtatest.Start(t, k.Settings().With(mtatest.Settings{"smtp-hostname": "b.test", "cluster-address": address}))
	ask := func(args ...string) string {
		p := mtatest.Run(t, nil, append(args, "--config-file", a.File)...)
		require.Zero(t, p.Exit(t, mtatest.Patience), p.Log.String())
		return p.Out.String()
	}
	mtatest.Eventually(t, "both answer", func() bool {
		list := ask("--list-cluster")
		return strings.Contains(list, "a.test") && strings.Contains(list, "outbox-a") && strings.Contains(list, "b.test")
	})
	ask("--notify-cluster")

	ch := rabbittest.Stranger(t, address)
	_, err := ch.QueueDeclare("outbox-c", true, false, false, false, nil)
	require.NoError(t, err)
	say := func(o object) {
		require.NoError(t, ch.PublishWithContext(t.Context(), "cluster", "", false, false, amqp.Publishing{Body: o.text(t)}))
	}
	hand := func(mine int) {
		require.NoError(t, ch.PublishWithContext(t.Context(), "", "outbox-a", false, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent,
				Body: object{"recipient": "x@sink.test", "mime": letter, "ips": []string{"192.0.2.77"}, "mine": mine}.text(t)}))
		rabbittest.AwaitWaiting(t, ch, "outbox-a", 0)
	}
	handed := func(mine int) {
		o := get(t, ch, "outbox-c")
		require.EqualValues(t, mine, o["mine"])
		require.NotContains(t, o, "results")
		require.Contains(t, o, "mime")
	}
	hand(5) // nobody is known to have the address
	mtatest.Eventually(t, "the message waits", func() bool {
		return node.Eval(t,
			`lists:any(fun(Q) -> string:find(element(4, amqqueue:get_name(Q)), <<".ips:">>) =/= nomatch end, rabbit_amqqueue:list()).`) == "true"
	})
	say(object{"from": "c", "announce": object{"id": "c", "host": "c.test", "ips": []string{"192.0.2.77"},
		"outbox": "outbox-c"}})
	handed(5)
	a.Terminate(t)
	a = a.Again(t) // and the other one does not answer
	hand(6)
	handed(6)
	say(object{"from": "c", "leave": "c"})
	require.NoError(t, ch.PublishWithContext(t.Context(), "cluster", "", false, false,
		amqp.Publishing{Body: []byte("{ \"reload\": true; }")}))
	require.Zero(t, rabbittest.Waiting(t, ch, "failure"))
	require.NotContains(t, a.Log.String(), "cannot be read")
	a.Terminate(t)
	b.Terminate(t)
}
