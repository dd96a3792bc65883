package rabbit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// wrong has values of types that each property cannot have, with a bar between them. The parts of objects are named
// with dots.
var wrong = []struct{ property, values string }{
	{"envelope", `5|true|[]|{}`}, {"recipient", `5|false|["bob@sink.test"]|{}`}, {"mime", `5|true|[]`},
	{"mime-encoding", `5|"8bit"|{}`},
	{"key", `5|true|{}`}, {"keepmime", `7|"maybe"|[]|{}`}, {"data", `"x"|5|[]|true`}, {"ips.0", `[5]|[{}]|[null]`},
	{"pool", `5|[]|{}`},
	{"nextattempt", `5|"soon"|[]|true`}, {"nextattempt.time", `{"time":"soon"}|{"time":[]}|{"time":5}`},
	{"maxdelivertime", `5|"never"|{}|[]`},
	{"maxattempts", `-1|1.5|"many"|{}|[]|true`}, {"retries", `60|"often"|{}`},
	{"retries.1", `[60,"soon"]|[60,{}]|[60,-1]`},
	{"force", `7|"perhaps"|[]`}, {"inlinecss", `7|"perhaps"|{}`},
	{"dkim", `5|"x"|true`}, {"dkim.domain", `{"domain":5}|{"domain":[]}`}, {"dkim.selector", `{"selector":{}}`},
	{"dkim.key", `{"key":7}`},
	{"dkim.expire", `{"expire":"x"}|{"expire":[]}`}, {"dkim.headers", `{"headers":"from"}|{"headers":{}}`},
	{"dkim.report", `{"report":"often"}`},
	{"dkim.protocols", `{"protocols":"dkim"}|{"protocols":["pgp"]}`},
	{"dkim.canonicalization", `{"canonicalization":"strict"}|{"canonicalization":5}`},
	{"dkim.priority", `{"priority":"high"}|{"priority":{}}`}, {"dkim.1", `[{},5]`},
	{"dsn", `5|"FAILURE"|[]`}, {"dsn.notify", `{"notify":5}|{"notify":"SOMETIMES"}|{"notify":"NEVER,DELAY"}`},
	{"dsn.ret", `{"ret":"BODY"}|{"ret":5}`},
	{"dsn.orcpt", `{"orcpt":5}`}, {"dsn.envid", `{"envid":[]}`},
	{"queues", `5|"mine"|[]`}, {"queues.results", `{"results":5}|{"results":[]}`}, {"queues.failure", `{"failure":true}`},
	{"queues.success", `{"success":{}}`},
	{"queues.retry", `{"retry":false}`}, {"queues.dsn", `{"dsn":1}`},
	{"smarthost", `5|"relay.test"|[]`}, {"smarthost.hostname", `{"port":25}|{"hostname":5}|{"hostname":[]}`},
	{"smarthost.port", `{"hostname":"x","port":"x"}|{"hostname":"x","port":70000}|{"hostname":"x","port":{}}`},
	{"smarthost.username", `{"hostname":"x","username":5}`},
	{"smarthost.password", `{"hostname":"x","password":["s3cret"]}`},
	{"tags", `5|"spring"|{}`}, {"tags.1", `["a",{}]|["a",[]]`},
	{"headers", `5|"x"|[]`}, {"headers.remove", `{"remove":5}|{"remove":{}}`},
	{"headers.prepend", `{"prepend":["x"]}|{"prepend":5}`}, {"headers.append", `{"append":["x"]}`},
	{"headers.replace", `{"replace":5}`}, {"headers.update", `{"update":"x"}`},
	{"priority", `"high"|1.5|{}|[]|true`}, {"security", `5|"maximal"|{}|true`},
	{"message-id", `5|[]|{}`}, {"received", `5|"today"|{}`}, {"hostname", `5|{}|[]`}, {"connection", `5|"x"|[]`},
	{"connection.remote-port", `{"remote-port":-1}|{"remote-port":"x"}`},
	{"connection.secure", `{"secure":"perhaps"}`}, {"spool", `5|[]`}, {"spool.size", `{"size":"large"}`}, {"cli", `5|"x"`},
	{"cli.arguments", `{"arguments":"x"}`},
	{"http", `5|[]`}, {"http.remote-port", `{"remote-port":[]}`}, {"checks", `5|{}|"x"`}, {"results", `5|{}|"x"`},
	{"results.0", `[5]|["x"]`}, {"extracted", `5|"x"|[]`},
}

// TestWrongTypes publishes a message for each value of a wrong type: it comes to the failure queue as invalid with the
// name of the property, and with everything that it had.
func TestWrongTypes(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, mtatest.Queues(address).With(k.Settings()).With(mtatest.Settings{"rabbitmq-results": ""}))
	ch := rabbittest.Stranger(t, address)
	type sent struct{ property, name, value string }
	all := make(map[string]sent)
	for _, tc := range wrong {
		for value := range strings.SplitSeq(tc.values, "|") {
			id := fmt.Sprint(len(all))
			name, _, _ := strings.Cut(tc.property, ".")
			all[id] = sent{tc.property, name, value}
			given := map[string]string{"recipient": `"bob@sink.test"`, "mime": `"Subject: x\n\n"`, name: value}
			var text []string
			for n, v := range given {
				text = append(text, fmt.Sprintf("%q:%s", n, v))
			}
			put(t, ch, "", []byte(fmt.Sprintf(`{"mine":{"id":%q},%s}`, id, strings.Join(text, ","))))
		}
	}
	for range len(all) {
		o := get(t, ch, "failure")
		id, _ := o["mine"].(map[string]any)["id"].(string)
		s, ok := all[id]
		require.True(t, ok, "%v", o)
		delete(all, id)
		what := s.name + ": " + s.value
		require.Equal(t, "process/invalid", o.pair(t), what)
		require.Contains(t, o.last(t)["description"], s.property, what)
		require.NotContains(t, o.last(t)["description"], "s3cret", what)
		if s.name != "results" && s.name != "extracted" { // which are added
			require.JSONEq(t, s.value, string(object(o).part(t, s.name)), "%s is kept", what)
		}
	}
	require.Empty(t, all)
	require.Empty(t, k.Received(), "nothing is sent")
	rabbittest.AwaitWaiting(t, ch, "outbox", 0)
	require.NotContains(t, d.Log.String(), "s3cret")
	d.Terminate(t)
}

// part is the JSON of one property.
func (o object) part(t testing.TB, name string) []byte {
	t.Helper()
	require.Contains(t, o, name)
	text, err := json.Marshal(o[name])
	require.NoError(t, err)
	return text
}

// TestUnknownPropertiesAreUntouched follows properties that mtad does not know through a retry and results: their bytes
// are the same but for space between them.
func TestUnknownPropertiesAreUntouched(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, mtatest.Queues(address).With(k.Settings()))
	ch := rabbittest.Stranger(t, address)
	values := map[string]string{
		"numbers":        `{"big":123456789012345678901234567890,"exact":1.50,"tiny":1e-400,"huge":1E+400,"minus":-0}`,
		"strings":        `["\u0000","\ud83d\ude00","\/","é","\ud800","a\tb"]`,
		"deep":           `[[[[[{"a":{"b":[null,true,false,{}]}}]]]]]`,
		"nothing":        `null`,
		"names like":     `{"mime":"x","recipient":5,"Recipient":6}`,
		"MIME":           `"another name"`,
		"the same twice": `{"a":1,"a":2}`,
	}
	for name, value := range values {
		put(t, ch, "",
			[]byte(fmt.Sprintf(`{"recipient":"defer@sink.test","mime":"Subject: x\n\n","maxattempts":2,"retries":[1],%q:%s}`,
				name, value)))
	}
	for _, from := range []string{"retry", "results", "failure"} {
		var bodies []byte
		for range values {
			bodies = append(bodies, take(t, ch, from)...)
		}
		for name, value := range values {
			require.True(t, bytes.Contains(bodies, []byte(fmt.Sprintf("%q:%s", name, value))), "%s in %s: %s", name, from,
				bodies)
		}
	}
	// Space between the parts of an unknown property may go; of a name that comes twice the last one counts.
	put(t, ch, "",
		[]byte("\n{ \"recipient\" : \"nobody@nowhere.test\", \"recipient\":\"bob@sink.test\",\r\n\t\"mime\":\"Subject: x\\n\\n\" , \"mine\" : { \"a\" :\t[ 1 , 2 ] } , \"mine\": [ 1.0 , \" \" ] }\n"))
	body := take(t, ch, "success")
	require.Contains(t, string(body), `"mine":[1.0," "]`)
	require.Equal(t, []string{"bob@sink.test"}, k.Await(t, 1)[0].Recipients)
	d.Terminate(t)
}

// take waits for a message of a queue, removes it and returns its bytes.
func take(t testing.TB, ch *amqp.Channel, name string) (body []byte) {
	t.Helper()
	mtatest.Eventually(t, "a message comes to "+name, func() bool {
		m, ok, err := ch.Get(name, true)
		require.NoError(t, err)
		body = m.Body
		return ok
	})
	return body
}

// TestPoison publishes what can never be finished in the usual way, before and after good mail, with a failure queue
// that is gone now and then: each comes to the failure queue once, nothing goes round for ever, and the good mail
// flows.
func TestPoison(t *testing.T) {
	t.Parallel()
	address := node.VHost(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Inside(t, mtatest.Queues(address).With(k.Settings()).With(mtatest.Settings{"rabbitmq-results": "",
		"rabbitmq-success": ""}))
	ch := rabbittest.Stranger(t, address)
	poison := []string{"", "{", `{"recipient":5}`, "[[[[", "\x1f\x8b",
		`{"recipient":"bob@sink.test","mime":{"attachments":[{"data":"%%%"}]}}`,
		`{"recipient":"bob@sink.test","ips":["192.0.2.1"],"mime":5}`}
	const rounds = 20
	for i := range rounds {
		for _, p := range poison {
			put(t, ch, "", []byte(p))
		}
		put(t, ch, "", object{"recipient": fmt.Sprintf("good%d@sink.test", i), "mime": letter}.text(t))
		if i == rounds/2 {
			_, err := ch.QueueDelete("failure", false, false, false)
			require.NoError(t, err)
		}
	}
	k.Await(t, rounds)
	rabbittest.AwaitWaiting(t, ch, "outbox", 0)
	before := d.Log.String()
	<-time.After(2 * time.Second) // what goes round would show
	require.Less(t, strings.Count(d.Log.String(), "\n")-strings.Count(before, "\n"), 10, "%s", d.Log.String())
	require.Len(t, k.Received(), rounds)
	d.Terminate(t)
	// What was out when mtad ended is in its queue again.
	require.Zero(t, rabbittest.Waiting(t, ch, "outbox"), "nothing is left over")
}
