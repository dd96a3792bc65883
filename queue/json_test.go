package queue_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/queue"
)

func utc(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		panic(err)
	}
	return t
}

func golden(t testing.TB) []byte {
	data, err := os.ReadFile("testdata/full.json")
	require.NoError(t, err)
	return data
}

// goldenMessage is what testdata/full.json says.
func goldenMessage() *queue.Message {
	off, results := "", "shop-results"
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	return &queue.Message{
		ID: "2f9c.7@mx1.example.net", Envelope: "offers@shop.example", Recipient: "Ana@Kunde.example",
		Received: utc("2025-11-30 08:15:42"), Hostname: "mx1.example.net",
		Connection: &queue.Connection{LocalIP: "192.0.2.25", LocalPort: 25, RemoteIP: "2001:db8::7", RemotePort: 41022,
			Secure: true, User: "shop"},
		Checks: []json.RawMessage{raw(`{"spf":"pass","smtp.mailfrom":"offers@shop.example"}`),
			raw(`{"spam":"no","score":1.20}`)},
		Body: queue.Bytes("Subject: Winter\r\nTo: ana@kunde.example\r\n\r\nGrüße 😀\r\n"),
		Key:  "winter/4711", KeepMIME: true, Data: raw(`{"name":"Ana","cart":[1,2]}`),
		IPs: []string{"192.0.2.25", "2001:db8::25"}, Pool: "winter",
		NextAttempt: utc("2025-12-01 06:00:00"), MaxDeliverTime: utc("2025-12-02 06:00:00"), MaxAttempts: -1,
		Retries: []time.Duration{time.Minute, 5 * time.Minute, time.Hour}, Force: true, InlineCSS: true,
		DKIM: []queue.DKIM{{Domain: "shop.example", Selector: "w25",
			Key:    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
			Expire: 86400, Headers: []string{"List-Id"}, Report: true, Protocols: []string{"dkim", "arc"},
			Canonicalization: "relaxed/relaxed", Priority: 1}},
		DSN: &queue.DSN{Notify: []string{"FAILURE", "DELAY"}, Ret: "HDRS", ORcpt: "rfc822;ana@kunde.example",
			EnvID: "w-1"},
		Queues:    &queue.Queues{Results: &results, Success: &off},
		Smarthost: &queue.Smarthost{Hostname: "relay.example.net", Port: 587, Username: "shop", Password: "s3cret"},
		Tags:      []string{"winter", "2025"},
		Headers: &queue.HeaderEdits{Remove: []string{"X-Internal"}, Prepend: []queue.Field{{Name: "X-First", Value: "1"}},
			Append:  []queue.Field{{Name: "X-A", Value: "a"}, {Name: "X-B", Value: "b"}, {Name: "X-B", Value: "c"}},
			Replace: []queue.Field{{Name: "Subject", Value: "Hi"}}, Update: []queue.Field{{Name: "X-U", Value: "5"}}},
		Priority: 3, Security: queue.Required,
		Results: []queue.Result{{State: queue.StateRcptTo, Result: queue.Error, Time: utc("2025-11-30 08:16:00"),
			MTA:  "mx.kunde.example",
			From: "192.0.2.25", To: "198.51.100.9", Messages: 2, Sent: &queue.Sent{Connection: 900}, Code: 451, Status: "4.7.1",
			Description: "Greylisted", DSN: true,
			Cipher: &queue.Cipher{Name: "TLS_AES_128_GCM_SHA256", Bits: 128, AlgBits: 128, Version: "TLSv1.3", ID: 4865},
			Certificate: &queue.Certificate{NotBefore: utc("2025-01-01 00:00:00"), NotAfter: utc("2026-01-01 00:00:00"),
				Version: 3, Verified: true,
				KeyUsage: 1, Subject: &queue.Name{Common: "mx.kunde.example", Organization: "Kunde"},
				Issuer: &queue.Name{Common: "CA"}, AltNames: []string{"mx.kunde.example"}},
			Extra: map[string]json.RawMessage{"shard": raw("4")}}},
		Extra: map[string]json.RawMessage{"campaign": raw(`{"id":4711,"label":"W\"25"}`),
			"customer.id": raw("1000000000000000000001"),
			"connection":  raw(`{"helo":"app1"}`)},
	}
}

func TestUnmarshalReadsEveryProperty(t *testing.T) {
	m, err := queue.Unmarshal(golden(t))
	require.NoError(t, err)
	require.Equal(t, goldenMessage(), queue.Plain(m))
}

func TestAppendJSONWritesTheFormsOfTheSpecification(t *testing.T) {
	data, err := queue.AppendJSON([]byte("> "), goldenMessage())
	require.NoError(t, err)
	require.JSONEq(t, `{
		"message-id": "2f9c.7@mx1.example.net", "envelope": "offers@shop.example", "recipient": "Ana@Kunde.example",
		"received": "2025-11-30 08:15:42", "hostname": "mx1.example.net",
		"connection": {"local-ip": "192.0.2.25", "local-port": 25, "remote-ip": "2001:db8::7", "remote-port": 41022, "secure": true, "user": "shop", "helo": "app1"},
		"checks": [{"spf": "pass", "smtp.mailfrom": "offers@shop.example"}, {"spam": "no", "score": 1.20}],
		"mime": "Subject: Winter\r\nTo: ana@kunde.example\r\n\r\nGrüße 😀\r\n",
		"key": "winter/4711", "keepmime": true, "data": {"name": "Ana", "cart": [1, 2]},
		"ips": ["192.0.2.25", "2001:db8::25"], "pool": "winter",
		"nextattempt": {"time": "2025-12-01 06:00:00"}, "maxdelivertime": "2025-12-02 06:00:00", "maxattempts": 0, "retries": [60, 300, 3600],
		"force": true, "inlinecss": true,
		"dkim": {"domain": "shop.example", "selector": "w25", "key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "expire": 86400, "headers": ["List-Id"], "report": true, "protocols": ["dkim", "arc"], "canonicalization": "relaxed/relaxed", "priority": 1},
		"dsn": {"notify": ["FAILURE", "DELAY"], "ret": "HDRS", "orcpt": "rfc822;ana@kunde.example", "envid": "w-1"},
		"queues": {"results": "shop-results", "success": null},
		"smarthost": {"hostname": "relay.example.net", "port": 587, "username": "shop", "password": "s3cret"},
		"tags": ["winter", "2025"],
		"headers": {"remove": ["X-Internal"], "prepend": {"X-First": "1"}, "append": [{"X-A": "a"}, {"X-B": "b"}, {"X-B": "c"}], "replace": {"Subject": "Hi"}, "update": {"X-U": "5"}},
		"priority": 3, "security": "required",
		"results": [{"state": "rcptto", "result": "error", "time": "2025-11-30 08:16:00", "mta": "mx.kunde.example", "from": "192.0.2.25", "to": "198.51.100.9", "messages": 2, "sent": {"connection": 900, "data": 0}, "code": 451, "status": "4.7.1", "description": "Greylisted", "dsn": true, "cipher": {"name": "TLS_AES_128_GCM_SHA256", "bits": 128, "algbits": 128, "version": "TLSv1.3", "id": 4865}, "certificate": {"notbefore": "2025-01-01 00:00:00", "notafter": "2026-01-01 00:00:00", "version": 3, "verified": true, "keyusage": 1, "self-signed": false, "subject": {"common": "mx.kunde.example", "organization": "Kunde"}, "issuer": {"common": "CA"}, "altnames": ["mx.kunde.example"]}, "shard": 4}],
		"campaign": {"id": 4711, "label": "W\"25"}, "customer.id": 1000000000000000000001
	}`, strings.TrimPrefix(string(data), "> "))
	require.Contains(t, string(data), `"customer.id":1000000000000000000001`, "numbers keep their text")
}

func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage().Draw(t, "message")
		data, err := queue.AppendJSON(nil, m)
		require.NoError(t, err)
		require.True(t, json.Valid(data), "%s", data)
		got, err := queue.Unmarshal(data)
		require.NoError(t, err, "%s", data)
		require.Equal(t, m, got, "%s", data)
		again, err := queue.AppendJSON(nil, got)
		require.NoError(t, err)
		require.Equal(t, string(data), string(again))
	})
}

func TestUnmarshalSmallThings(t *testing.T) {
	tests := []struct {
		name, in string
		want     queue.Message
	}{
		{"white space everywhere", " \n{ \"recipient\" :\t\"a@b\" , \"x\" : [ 1 , { } ] }\r\n ",
			queue.Message{Extra: map[string]json.RawMessage{"x": json.RawMessage(`[1,{}]`)}}},
		{"the last duplicate counts", `{"priority":1,"x":1,"recipient":"z@z","priority":"2","x":2,"recipient":"a@b"}`,
			queue.Message{Priority: 2, Extra: map[string]json.RawMessage{"x": json.RawMessage(`2`)}}},
		{"a bad duplicate that does not count", `{"priority":"no","priority":3,"recipient":"a@b"}`,
			queue.Message{Priority: 3}},
		{"null is absent", `{"recipient":"a@b","dsn":null,"tags":null,"force":null,"mime":null,"pool":"p","pool":null}`,
			queue.Message{}},
		{"escapes in names", `{"\u0070ool":"p","recipient":"a@b"}`, queue.Message{Pool: "p"}},
		{"escapes", `{"recipient":"a@b","pool":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83dx\ude00"}`,
			queue.Message{Pool: "\"\\/\b\f\n\r\té😀\uFFFDx\uFFFD"}},
		{"ips that is no array", `{"recipient":"a@b","ips":"192.0.2.1"}`,
			queue.Message{Extra: map[string]json.RawMessage{"ips": json.RawMessage(`"192.0.2.1"`)}}},
		{"no ips at all", `{"recipient":"a@b","ips":[]}`, queue.Message{IPs: []string{}}},
		{"next attempt as a string", `{"recipient":"a@b","nextattempt":"2030-01-02 03:04:05"}`,
			queue.Message{NextAttempt: utc("2030-01-02 03:04:05")}},
		{"next attempt without a time", `{"recipient":"a@b","nextattempt":{"x":1}}`,
			queue.Message{Extra: map[string]json.RawMessage{"nextattempt": json.RawMessage(`{"x":1}`)}}},
		{"booleans", `{"recipient":"a@b","force":"Yes","inlinecss":0,"keepmime":"off"}`, queue.Message{Force: true}},
		{"several keys", `{"recipient":"a@b","dkim":[{"domain":"x"},{"domain":"y","new":true}]}`,
			queue.Message{DKIM: []queue.DKIM{{Domain: "x"},
				{Domain: "y", Extra: map[string]json.RawMessage{"new": json.RawMessage("true")}}}}},
		{"mime object", `{"recipient":"a@b","mime":{"text": "hi", "to":[1]}}`,
			queue.Message{Compose: json.RawMessage(`{"text":"hi","to":[1]}`)}},
		{"base64 before mime", `{"mime-encoding":"base64","mime":"/wpB/w==","recipient":"a@b"}`,
			queue.Message{Body: queue.Bytes("\xff\r\nA\xff")}},
		{"line ends", `{"recipient":"a@b","mime":"\na\r\n\n\rb\n"}`,
			queue.Message{Body: queue.Bytes("\r\na\r\n\r\n\rb\r\n")}},
		{"mail that is not UTF-8, as it is", "{\"recipient\":\"a@b\",\"mime\":\"\xe9\\n\"}",
			queue.Message{Body: queue.Bytes("\xe9\r\n")}},
		{"empty mail", `{"recipient":"a@b","mime":""}`, queue.Message{Body: queue.Bytes{}}},
		{"results are never wrong", `{"recipient":"a@b","results":[{"code":"250","cipher":{"bits":"many"},"status":5}]}`,
			queue.Message{Results: []queue.Result{{Code: 250, Extra: map[string]json.RawMessage{
				"cipher": json.RawMessage(`{"bits":"many"}`), "status": json.RawMessage(`5`)}}}}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			tc.want.Recipient = "a@b"
			got, err := queue.Unmarshal([]byte(tc.in))
			require.NoError(t, err)
			require.Equal(t, &tc.want, queue.Plain(got))
		})
	}
}

func TestUnmarshalNamesTheWrongProperty(t *testing.T) {
	tests := []struct{ name, value, property, got string }{
		{"envelope", `5`, "envelope", "the number 5"},
		{"mime", `[]`, "mime", "an array"},
		{"mime-encoding", `"quoted-printable"`, "mime-encoding", `"quoted-printable"`},
		{"keepmime", `"maybe"`, "keepmime", `the string "maybe"`},
		{"data", `"x"`, "data", "the string"},
		{"ips", `[1]`, "ips.0", "the number 1"},
		{"nextattempt", `{"time":"tomorrow"}`, "nextattempt.time", "tomorrow"},
		{"nextattempt", `"2025-02-30 00:00:00"`, "nextattempt", "2025-02-30"},
		{"maxdelivertime", `12345`, "maxdelivertime", "12345"},
		{"maxattempts", `-1`, "maxattempts", "-1"},
		{"maxattempts", `1.5`, "maxattempts", "1.5"},
		{"retries", `60`, "retries", "60"},
		{"retries", `[60,"soon"]`, "retries.1", "soon"},
		{"dkim", `"hush"`, "dkim", "a string"},
		{"dkim", `["hush"]`, "dkim.0", "a string"},
		{"smarthost", `"me:hush@relay"`, "smarthost", "a string"},
		{"dkim", `{"key":7}`, "dkim.key", "something else"},
		{"dkim", `[{},{"protocols":["pgp"]}]`, "dkim.1.protocols", "pgp"},
		{"dkim", `{"canonicalization":"strict"}`, "dkim.canonicalization", "strict"},
		{"dsn", `{"notify":["SOMETIMES"]}`, "dsn.notify", "SOMETIMES"},
		{"dsn", `{"notify":"NEVER,DELAY"}`, "dsn.notify", "NEVER"},
		{"dsn", `{"ret":"BODY"}`, "dsn.ret", "BODY"},
		{"dsn", `[]`, "dsn", "an array"},
		{"queues", `{"retry":false}`, "queues.retry", "false"},
		{"smarthost", `{"hostname":"x","port":99999}`, "smarthost.port", "99999"},
		{"smarthost", `{"hostname":"x","password":["hush"]}`, "smarthost.password", "something else"},
		{"smarthost", `{"port":25}`, "smarthost.hostname", "nothing"},
		{"tags", `"spring"`, "tags", "spring"},
		{"tags", `["a",{}]`, "tags.1", "an object"},
		{"headers", `{"remove":{"x":1}}`, "headers.remove", "an object"},
		{"headers", `{"append":{"a b":"x"}}`, "headers.append.a b", "something else"},
		{"headers", `{"append":["x"]}`, "headers.append", "the string"},
		{"priority", `"high"`, "priority", "high"},
		{"security", `"maximal"`, "security", "maximal"},
		{"security", `true`, "security", "true"},
		{"received", `"2025-11-30T08:15Z"`, "received", "2025"},
		{"dkim", `{"expire":"next year"}`, "dkim.expire", "next year"},
		{"delayed", `"soon"`, "delayed", "soon"},
		{"connection", `{"remote-port":-1}`, "connection.remote-port", "-1"},
		{"checks", `{}`, "checks", "an object"},
		{"results", `[1]`, "results.0", "the number 1"},
		{"recipient", `["a@b"]`, "recipient", "an array"},
		{"pool", `"` + strings.Repeat("x", 500) + `",  "pool": {"a": [ 1 ]}`, "pool", "an object"},
	}
	for _, tc := range tests {
		t.Run(tc.name+" "+tc.value[:min(30, len(tc.value))], func(t *testing.T) {
			in := fmt.Sprintf(`{"recipient":"a@b","unknown":[1], %q: %s}`, tc.name, tc.value)
			m, err := queue.Unmarshal([]byte(in))
			var wrong *queue.PropertyError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, tc.property, wrong.Property)
			require.NotEmpty(t, wrong.Want)
			require.Contains(t, wrong.Got, tc.got)
			require.Less(t, len(err.Error()), 300)
			require.NotContains(t, err.Error(), "hush")
			require.NotNil(t, m)
			require.Contains(t, m.Extra, "unknown")
			require.Contains(t, m.Extra, tc.name, "the property is kept, unread")
			data, err := queue.AppendJSON(nil, m)
			require.NoError(t, err)
			require.JSONEq(t, in, string(data), "nothing of the message is lost")
		})
	}
}

func TestUnmarshalGoesOnAfterAWrongProperty(t *testing.T) {
	m, err := queue.Unmarshal([]byte(`{"recipient":"a@b","priority":"x","pool":5,"tags":["t"],"mime":"hi"}`))
	var wrong *queue.PropertyError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, &queue.Message{Recipient: "a@b", Tags: []string{"t"}, Body: queue.Bytes("hi"),
		Extra: map[string]json.RawMessage{"priority": json.RawMessage(`"x"`), "pool": json.RawMessage(`5`)}}, m)
}

func TestUnmarshalMissingRecipient(t *testing.T) {
	for _, in := range []string{`{}`, `{"recipient":""}`, `{"recipient":null,"envelope":"x@y"}`} {
		m, err := queue.Unmarshal([]byte(in))
		require.EqualError(t, err, "property recipient: expected an address, got nothing")
		require.NotNil(t, m)
	}
}

func TestUnmarshalBadBase64IsKept(t *testing.T) {
	m, err := queue.Unmarshal([]byte(`{"recipient":"a@b","mime":"@@","mime-encoding":"base64"}`))
	var wrong *queue.PropertyError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "mime", wrong.Property)
	require.Nil(t, m.Body)
	require.Equal(t, `"@@"`, string(m.Extra["mime"]))
	require.NotContains(t, string(m.AppendRecord(nil)), "@@", "it may be mail, which no record holds")
}

func TestUnmarshalSyntaxErrors(t *testing.T) {
	tests := []struct {
		in     string
		offset int64
		reason string
	}{
		{``, 0, "ends where a value should begin"},
		{`   `, 3, "ends where a value should begin"},
		{`hello`, 0, "a value should begin here"},
		{`[1]`, 0, "expected an object, got an array"},
		{` "x"`, 1, "expected an object, got a string"},
		{`{"a":1} x`, 8, "something follows"},
		{`{"a" 1}`, 5, "expected a colon"},
		{`{"a":1,}`, 7, "expected the name"},
		{`{"a":1 "b":2}`, 7, "end of the object"},
		{`{"a":[1 2]}`, 8, "end of the array"},
		{`{"a":"x`, 7, "ends within a string"},
		{`{"a":"\x"}`, 7, "backslash"},
		{`{"a":"\u12g4"}`, 7, "hexadecimal"},
		{`{"a":"\u12`, 7, "ends within a string"},
		{"{\"a\":\"\n\"}", 6, "control character"},
		{`{"a":01}`, 6, "end of the object"},
		{`{"a":-}`, 6, "expected a digit"},
		{`{"a":1.}`, 7, "expected a digit"},
		{`{"a":1e+}`, 8, "expected a digit"},
		{`{"a":tru}`, 5, "should begin here"},
		{`{a:1}`, 1, "expected the name"},
		{strings.Repeat(`{"a":`, 5000), 5005, "nested too deeply"},
	}
	for _, tc := range tests {
		m, err := queue.Unmarshal([]byte(tc.in))
		require.Nil(t, m)
		var syntax *queue.SyntaxError
		require.ErrorAs(t, err, &syntax, tc.in)
		require.Equal(t, tc.offset, syntax.Offset, tc.in)
		require.Contains(t, syntax.Reason, tc.reason, tc.in)
	}
}

func TestAppendJSONKeepsArbitraryBytes(t *testing.T) {
	data, err := queue.AppendJSON(nil, &queue.Message{Recipient: "a@b", Body: queue.Bytes("\xff\x00\r\n")})
	require.NoError(t, err)
	require.JSONEq(t, `{"recipient":"a@b","mime":"`+base64.StdEncoding.EncodeToString([]byte("\xff\x00\r\n"))+
		`","mime-encoding":"base64"}`, string(data))
}

func TestAppendJSONOfAnEmptyMessage(t *testing.T) {
	data, err := queue.AppendJSON(nil, &queue.Message{})
	require.NoError(t, err)
	require.Equal(t, "{}", string(data))
}

type unreadable struct{}

func (unreadable) Size() int64                       { return 5 }
func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, errors.New("disk on fire") }

func TestAppendJSONOfUnreadableMail(t *testing.T) {
	data, err := queue.AppendJSON([]byte("x"), &queue.Message{Body: unreadable{}})
	var damage *queue.DamageError
	require.ErrorAs(t, err, &damage)
	require.ErrorContains(t, err, "disk on fire")
	require.Equal(t, "x", string(data))
}

func TestRecordHasNoMailAndNoSecrets(t *testing.T) {
	m, err := queue.Unmarshal(golden(t))
	require.NoError(t, err)
	record := string(m.AppendRecord(nil))
	require.True(t, json.Valid([]byte(record)), record)
	for _, secret := range []string{"s3cret", "PRIVATE", "Winter", `"mime"`} {
		require.NotContains(t, record, secret)
	}
	require.Contains(t, record, `"smarthost":{"hostname":"relay.example.net","port":587,"username":"shop"}`)
	require.Contains(t, record, `"selector":"w25"`)
	require.Contains(t, record, `"campaign":{"id":4711`)
	require.Contains(t, record, `"helo":"app1"`)

	m,
		err = queue.Unmarshal([]byte(`{"recipient":"a@b","dkim":{"key":"hush","priority":"x"},"smarthost":{"password":"hush"},"mime":["hush"]}`))
	require.Error(t, err)
	require.NotContains(t, string(m.AppendRecord(nil)), "hush", "secrets that could not be read stay out, too")
	m,
		err = queue.Unmarshal([]byte(`{"recipient":"a@b","dkim":{"privatekey":"hush"},"smarthost":{"hostname":"h","passwd":"hush"}}`))
	require.NoError(t, err)
	require.NotContains(t, string(m.AppendRecord(nil)), "hush", "secrets under other names stay out, too")
	_, ok := m.Property("smarthost.passwd")
	require.False(t, ok)
	require.True(t, strings.HasPrefix(string(m.AppendRecord([]byte("log "))), `log {"`))
}

func TestProperty(t *testing.T) {
	m := goldenMessage()
	for path, want := range map[string]string{
		"recipient": "Ana@Kunde.example", "envelope": "offers@shop.example", "message_id": "2f9c.7@mx1.example.net",
		"message-id": "2f9c.7@mx1.example.net", "received": "2025-11-30 08:15:42", "connection.remote_ip": "2001:db8::7",
		"connection.remote-port": "41022", "connection.secure": "true", "connection.helo": "app1",
		"tags": `[ "winter", "2025" ]`, "tags.1": "2025",
		"nextattempt.time": "2025-12-01 06:00:00", "queues.results": "shop-results", "results.0.code": "451",
		"results.0.cipher.version": "TLSv1.3", "campaign.id": "4711", "campaign.label": `W"25`,
		"campaign":    `{"id":4711,"label":"W\"25"}`,
		"customer.id": "1000000000000000000001", "dkim.selector": "w25", "smarthost.username": "shop",
		"data.cart": "[ 1, 2 ]", "checks.0.spf": "pass",
		"priority": "3", "keepmime": "true", "maxattempts": "0", "headers.append.1.X-B": "b",
	} {
		got, ok := m.Property(path)
		require.True(t, ok, path)
		require.Equal(t, want, got, path)
	}
	for _, path := range []string{"", "mime", "spool", "spool.file", "connection.none", "campaign.id.x",
		"smarthost.password", "dkim.key",
		"queues.success", "tags.2", "results.7.code", "nothing", "customer"} {
		got, ok := m.Property(path)
		require.False(t, ok, path)
		require.Empty(t, got, path)
	}
	_, ok := (*queue.Message)(nil).Property("recipient")
	require.False(t, ok)
}

func TestPropertyOfResult(t *testing.T) {
	r := &goldenMessage().Results[0]
	for path, want := range map[string]string{
		"state": "rcptto", "result": "error", "code": "451", "status": "4.7.1", "description": "Greylisted",
		"from": "192.0.2.25",
		"to":   "198.51.100.9", "time": "2025-11-30 08:16:00", "mta": "mx.kunde.example",
		"cipher.name":          "TLS_AES_128_GCM_SHA256",
		"certificate.altnames": `[ "mx.kunde.example" ]`, "shard": "4", "sent.connection": "900",
	} {
		got, ok := r.Property(path)
		require.True(t, ok, path)
		require.Equal(t, want, got, path)
	}
	for _, path := range []string{"code", "authentication", "sent.data", "cipher"} {
		_, ok := (&queue.Result{}).Property(path)
		require.False(t, ok, path)
	}
}

func TestResultJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyResult().Draw(t, "result")
		data := r.AppendJSON(nil)
		got, err := queue.UnmarshalResult(data)
		require.NoError(t, err)
		require.Equal(t, &r, got)
		require.Equal(t, data, r.AppendRecord(nil))
	})
	_, err := queue.UnmarshalResult([]byte(`[]`))
	require.ErrorContains(t, err, "expected an object, got an array")
	_, err = queue.UnmarshalResult([]byte(`{`))
	require.ErrorContains(t, err, "at byte 1")
}

func TestNextAttemptIsNeverEarly(t *testing.T) {
	at := utc("2025-01-01 00:00:00")
	data, err := queue.AppendJSON(nil, &queue.Message{Recipient: "a@b", NextAttempt: at.Add(time.Nanosecond),
		MaxDeliverTime: at.Add(time.Nanosecond)})
	require.NoError(t, err)
	require.JSONEq(t,
		`{"recipient":"a@b","nextattempt":{"time":"2025-01-01 00:00:01"},"maxdelivertime":"2025-01-01 00:00:00"}`,
		string(data))
}

func TestTimesAreUTC(t *testing.T) {
	at := time.Date(2025, 1, 1, 1, 30, 0, 0, time.FixedZone("", 3600))
	data, err := queue.AppendJSON(nil, &queue.Message{Recipient: "a@b", Received: at})
	require.NoError(t, err)
	require.JSONEq(t, `{"recipient":"a@b","received":"2025-01-01 00:30:00"}`, string(data))
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(golden(f))
	f.Add([]byte(`{"recipient":"a@b","mime":"\ud83d\ude00\n","mime-encoding":"base64"}`))
	f.Add([]byte(`{"nextattempt":"x","headers":{"append":[{"a":["b",null]}]},"queues":{"dsn":null},"":""}`))
	f.Add([]byte("{\"\xff\":\"\xff\",\"x\":1e999, \"x\":{\"\\u0000\":-0.0}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := queue.Unmarshal(data)
		var wrong *queue.PropertyError
		var syntax *queue.SyntaxError
		switch {
		case errors.As(err, &syntax):
			require.Nil(t, m)
			require.LessOrEqual(t, syntax.Offset, int64(len(data)))
			return
		case err != nil:
			require.ErrorAs(t, err, &wrong)
		}
		require.True(t, json.Valid(bytes.TrimPrefix(data, []byte("\uFEFF"))), "what Unmarshal takes is JSON")
		require.True(t, json.Valid(m.AppendRecord(nil)))
		m.Property("headers.append.0.a")
		out, err := queue.AppendJSON(nil, m)
		require.NoError(t, err)
		require.True(t, json.Valid(out), "%s", out)
		again, _ := queue.Unmarshal(out)
		require.NotNil(t, again, "%s", out)
		stored, err := queue.DecodeBinary(queue.AppendBinary(nil, again))
		require.NoError(t, err)
		stored.Body = again.Body
		require.Equal(t, again, stored, "both forms hold the same")
	})
}
