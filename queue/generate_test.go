package queue_test

import (
	"encoding/json"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/queue"
)

// full is a message in which every property is set.
func full() *queue.Message {
	off, bounces := "", "bounces"
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	return &queue.Message{
		Envelope: "news@example.org", Recipient: "Jo@Example.COM", Body: queue.Bytes("Subject: hi\r\n\r\nHello\r\n"),
		Key: "a/b/c", KeepMIME: true, Data: json.RawMessage(`{"name":"Jo"}`),
		IPs: []string{"192.0.2.1", "2001:db8::1"}, Pool: "bulk",
		NextAttempt: at, MaxDeliverTime: at.Add(time.Hour), MaxAttempts: 7,
		Retries: []time.Duration{time.Minute, time.Hour}, Force: true, InlineCSS: true,
		DKIM: []queue.DKIM{{Domain: "example.org", Selector: "s1", Key: "-----BEGIN PRIVATE KEY-----\nabc\n", Expire: 3600,
			Headers: []string{"list-id"}, Report: true, Protocols: []string{"dkim", "arc"},
			Canonicalization: "relaxed/relaxed", Priority: 3,
			Extra: map[string]json.RawMessage{"comment": json.RawMessage(`"mine"`)}},
			{Domain: "example.net", Selector: "x", ExpireAt: at}},
		DSN:    &queue.DSN{Notify: []string{"FAILURE", "DELAY"}, Ret: "HDRS", ORcpt: "rfc822;jo@example.com", EnvID: "e1"},
		Queues: &queue.Queues{Results: &off, DSN: &bounces},
		Smarthost: &queue.Smarthost{Hostname: "relay.example.org", Port: 587, Username: "me", Password: "hush",
			Plaintext: true},
		Tags: []string{"spring", "news"},
		Headers: &queue.HeaderEdits{Remove: []string{"x-a"}, Prepend: []queue.Field{{Name: "x-b", Value: "1"}},
			Append:  []queue.Field{{Name: "x-c", Value: "1"}, {Name: "x-c", Value: "2"}},
			Replace: []queue.Field{{Name: "subject", Value: "ho"}}, Update: []queue.Field{{Name: "x-d", Value: "é"}}},
		Unsubscribe: json.RawMessage(`{"url":"https://example.org/u","one-click":true}`),
		Priority:    5, Security: queue.Verified, RequireTLS: true, TLSOptional: true,
		HoldUntil: at.Add(-time.Hour), DeliverBy: &queue.DeliverBy{Time: at, Mode: queue.DeliverByReturn, Trace: true},
		ID: "id-1", Received: at, Hostname: "mx.example.net",
		Connection: &queue.Connection{LocalIP: "192.0.2.1", LocalPort: 25, RemoteIP: "198.51.100.7", RemotePort: 40312,
			Secure: true, User: "account"},
		Spool:  &queue.SpoolSource{Directory: "/var/spool/x", File: "a.eml", User: "root", Size: 17},
		CLI:    &queue.CLISource{Command: "mtad", Arguments: []string{"-t", ""}, User: "root"},
		HTTP:   &queue.HTTPSource{Authentication: "ci", RemoteIP: "192.0.2.9", RemotePort: 999},
		Checks: []json.RawMessage{json.RawMessage(`{"spf":"pass"}`), json.RawMessage(`{"dkim":"fail"}`)},
		Results: []queue.Result{
			{State: queue.StateDNS, Result: queue.Error, Time: at, Description: "no such domain"},
			{State: queue.StateMessage, Result: queue.Accepted, Time: at, MTA: "mx.example.com", From: "192.0.2.1",
				To: "198.51.100.25", Messages: 3, Sent: &queue.Sent{Connection: 9000, Data: 3000}, Code: 250, Status: "2.0.0",
				Description: "OK", DSN: true, Authentication: "plain",
				Cipher: &queue.Cipher{Name: "TLS_AES_128_GCM_SHA256", Bits: 128, AlgBits: 128, Version: "TLSv1.3", ID: 0x1301,
					Group: "X25519MLKEM768", Resumed: true},
				Certificate: &queue.Certificate{NotBefore: at, NotAfter: at.AddDate(1, 0, 0), Version: 3, Verified: true,
					Result: "ok", KeyUsage: 5, SelfSigned: true, Subject: &queue.Name{Common: "mx.example.com", Unit: "mail"},
					Issuer: &queue.Name{Common: "ca", Country: "NL"}, AltNames: []string{"mx.example.com"}},
				Extra: map[string]json.RawMessage{"note": json.RawMessage(`[1,2]`)}},
		},
		Extracted: json.RawMessage(`{"subject":"hi"}`),
		Extra: map[string]json.RawMessage{"campaign": json.RawMessage(`{"id":[1,2.50,"x"]}`),
			"n": json.RawMessage(`12345678901234567890`)},
	}
}

func optional[T any](g *rapid.Generator[T]) *rapid.Generator[*T] {
	return rapid.Custom(func(t *rapid.T) *T {
		if rapid.Bool().Draw(t, "absent") {
			return nil
		}
		v := g.Draw(t, "value")
		return &v
	})
}

// several draws nil or a list that is not empty.
func several[T any](g *rapid.Generator[T]) *rapid.Generator[[]T] {
	return rapid.Custom(func(t *rapid.T) []T {
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		return rapid.SliceOfN(g, 1, 4).Draw(t, "list")
	})
}

func anyExtra() *rapid.Generator[map[string]json.RawMessage] {
	value := rapid.Custom(func(t *rapid.T) json.RawMessage {
		var v any = rapid.String().Draw(t, "string")
		switch rapid.IntRange(0, 3).Draw(t, "shape") {
		case 1:
			v = rapid.Int().Draw(t, "int")
		case 2:
			v = []any{v, true, nil, 1.5}
		case 3:
			v = map[string]any{"x": v}
		}
		data, _ := json.Marshal(v)
		return data
	})
	return rapid.Custom(func(t *rapid.T) map[string]json.RawMessage {
		names := several(rapid.StringMatching(`x_[a-z"é.\\-]{0,6}`)).Draw(t, "names")
		if names == nil {
			return nil
		}
		extra := make(map[string]json.RawMessage)
		for _, name := range names {
			extra[name] = value.Draw(t, "value")
		}
		return extra
	})
}

func anyTime() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(-62135596799, 253402300799).Draw(t, "unix"), 0).UTC()
	})
}

// anyMessage draws messages that are valid: what their JSON says can be read back without an error.
func anyMessage() *rapid.Generator[*queue.Message] {
	return rapid.Custom(func(t *rapid.T) *queue.Message {
		text, flag, port := rapid.String(), rapid.Bool(), rapid.IntRange(0, 65535)
		m := &queue.Message{
			Envelope: text.Draw(t, "envelope"), Recipient: rapid.StringN(1, -1, -1).Draw(t, "recipient"),
			Key:      text.Draw(t, "key"),
			KeepMIME: flag.Draw(t, "keepmime"), IPs: several(text).Draw(t, "ips"), Pool: text.Draw(t, "pool"),
			NextAttempt: anyTime().Draw(t, "nextattempt"), MaxDeliverTime: anyTime().Draw(t, "maxdelivertime"),
			MaxAttempts: rapid.IntRange(-1, 1000).Draw(t, "maxattempts"),
			Force:       flag.Draw(t, "force"), InlineCSS: flag.Draw(t, "inlinecss"),
			DKIM: several(anyDKIM()).Draw(t, "dkim"), DSN: optional(anyDSN()).Draw(t, "dsn"),
			Queues: optional(anyQueues()).Draw(t, "queues"), Tags: several(text).Draw(t, "tags"),
			Headers: optional(anyHeaders()).Draw(t, "headers"), Priority: rapid.IntRange(-5, 255).Draw(t, "priority"),
			Security: rapid.SampledFrom([]queue.Security{"", queue.Optional, queue.Verified}).Draw(t, "security"),
			ID:       text.Draw(t, "id"), Received: anyTime().Draw(t, "received"), Hostname: text.Draw(t, "hostname"),
			Results: several(anyResult()).Draw(t, "results"), Extra: anyExtra().Draw(t, "extra"),
		}
		for _, s := range several(rapid.IntRange(0, 1e6)).Draw(t, "retries") {
			m.Retries = append(m.Retries, time.Duration(s)*time.Second)
		}
		if flag.Draw(t, "connection") {
			m.Connection = &queue.Connection{LocalIP: text.Draw(t, "local"), LocalPort: port.Draw(t, "port"),
				RemoteIP: text.Draw(t, "remote"), RemotePort: port.Draw(t, "port"), Secure: flag.Draw(t, "secure"),
				User: text.Draw(t, "user")}
		}
		if flag.Draw(t, "smarthost") {
			m.Smarthost = &queue.Smarthost{Hostname: rapid.StringN(1, -1, -1).Draw(t, "host"), Port: port.Draw(t, "port"),
				Username: text.Draw(t, "user"), Password: text.Draw(t, "password"), Plaintext: flag.Draw(t, "plaintext")}
		}
		drawSources(t, m)
		return m
	})
}

func drawSources(t *rapid.T, m *queue.Message) {
	text := rapid.String()
	switch rapid.IntRange(0, 3).Draw(t, "source") {
	case 1:
		m.Spool = &queue.SpoolSource{Directory: text.Draw(t, "directory"), Size: rapid.Int64Range(0, 1<<40).Draw(t, "size")}
	case 2:
		m.CLI = &queue.CLISource{Command: text.Draw(t, "command"), Arguments: several(text).Draw(t, "arguments")}
	case 3:
		m.HTTP = &queue.HTTPSource{Authentication: text.Draw(t, "token"), RemoteIP: text.Draw(t, "ip")}
	}
	if rapid.Bool().Draw(t, "checks") {
		m.Checks = []json.RawMessage{json.RawMessage(`{"spf":"pass"}`), json.RawMessage(`{"x":[]}`)}
		m.Data, m.Extracted = json.RawMessage(`{"a":{"b":[1,2]}}`), json.RawMessage(`{"subject":null}`)
	}
	switch rapid.IntRange(0, 3).Draw(t, "mime") {
	case 1:
		m.Compose = json.RawMessage(`{"from":"a@b","text":"x"}`)
	case 2:
		m.Body = queue.Bytes("Subject: " + rapid.StringMatching(`[a-zA-Zéß☃😀 "\\/<>&\t]{0,20}`).Draw(t, "subject") +
			"\r\n\r\n")
	case 3:
		m.Body = queue.Bytes(append(rapid.SliceOf(rapid.ByteRange(14, 255)).Draw(t, "bytes"), "\r\n"...))
	}
}

func anyDKIM() *rapid.Generator[queue.DKIM] {
	return rapid.Custom(func(t *rapid.T) queue.DKIM {
		text := rapid.String()
		expire, expireAt := rapid.Int64Range(0, 1e9).Draw(t, "expire"), anyTime().Draw(t, "at")
		if !expireAt.IsZero() {
			expire = 0
		}
		return queue.DKIM{Domain: text.Draw(t, "domain"), Selector: text.Draw(t, "selector"), Key: text.Draw(t, "key"),
			Expire: expire, ExpireAt: expireAt, Headers: several(text).Draw(t, "headers"),
			Report:           rapid.Bool().Draw(t, "report"),
			Protocols:        several(rapid.SampledFrom([]string{"dkim", "arc"})).Draw(t, "protocols"),
			Canonicalization: rapid.SampledFrom([]string{"", "simple/simple", "relaxed"}).Draw(t, "canonicalization"),
			Priority:         rapid.IntRange(-9, 9).Draw(t, "priority"), Extra: anyExtra().Draw(t, "extra")}
	})
}

func anyDSN() *rapid.Generator[queue.DSN] {
	return rapid.Custom(func(t *rapid.T) queue.DSN {
		return queue.DSN{
			Notify: rapid.SampledFrom([][]string{nil, {"NEVER"}, {"FAILURE"}, {"SUCCESS", "DELAY"}}).Draw(t, "notify"),
			Ret:    rapid.SampledFrom([]string{"", "FULL", "HDRS"}).Draw(t, "ret"),
			ORcpt:  rapid.String().Draw(t, "orcpt"), EnvID: rapid.String().Draw(t, "envid"),
		}
	})
}

func anyQueues() *rapid.Generator[queue.Queues] {
	return rapid.Custom(func(t *rapid.T) queue.Queues {
		name := optional(rapid.String())
		return queue.Queues{Results: name.Draw(t, "results"), Failure: name.Draw(t, "failure"),
			Success: name.Draw(t, "success"),
			Retry:   name.Draw(t, "retry"), DSN: name.Draw(t, "dsn")}
	})
}

func anyHeaders() *rapid.Generator[queue.HeaderEdits] {
	return rapid.Custom(func(t *rapid.T) queue.HeaderEdits {
		name := rapid.StringMatching(`[A-Za-z-]{1,6}`)
		fields := several(rapid.Custom(func(t *rapid.T) queue.Field {
			return queue.Field{Name: name.Draw(t, "name"), Value: rapid.String().Draw(t, "value")}
		}))
		return queue.HeaderEdits{Remove: several(name).Draw(t, "remove"), Prepend: fields.Draw(t, "prepend"),
			Append: fields.Draw(t, "append"), Replace: fields.Draw(t, "replace"), Update: fields.Draw(t, "update")}
	})
}

func anyResult() *rapid.Generator[queue.Result] {
	return rapid.Custom(func(t *rapid.T) queue.Result {
		text, flag := rapid.String(), rapid.Bool()
		r := queue.Result{State: queue.ResultState(text.Draw(t, "state")), Result: queue.Outcome(text.Draw(t, "result")),
			Time: anyTime().Draw(t, "time"), MTA: text.Draw(t, "mta"), From: text.Draw(t, "from"), To: text.Draw(t, "to"),
			Messages: rapid.IntRange(0, 1e6).Draw(t, "messages"), Code: rapid.IntRange(0, 599).Draw(t, "code"),
			Status: text.Draw(t, "status"), Description: text.Draw(t, "description"), Class: queue.Class(text.Draw(t, "class")),
			DSN:            flag.Draw(t, "dsn"),
			Authentication: text.Draw(t, "authentication"), Extra: anyExtra().Draw(t, "extra")}
		if flag.Draw(t, "sent") {
			r.Sent = &queue.Sent{Connection: rapid.Int64Range(0, 1<<50).Draw(t, "connection"),
				Data: rapid.Int64Range(0, 1<<50).Draw(t, "data")}
		}
		if flag.Draw(t, "cipher") {
			r.Cipher = &queue.Cipher{Name: text.Draw(t, "name"), Bits: 256, AlgBits: 256, Version: text.Draw(t, "version"),
				ID: 7}
			r.Certificate = &queue.Certificate{NotBefore: anyTime().Draw(t, "before"), NotAfter: anyTime().Draw(t, "after"),
				Version:  3,
				Verified: flag.Draw(t, "verified"), Result: text.Draw(t, "result"),
				KeyUsage:   rapid.IntRange(0, 511).Draw(t, "usage"),
				SelfSigned: flag.Draw(t, "self"), Subject: optional(anyName()).Draw(t, "subject"),
				Issuer: optional(anyName()).Draw(t, "issuer"), AltNames: several(text).Draw(t, "names")}
		}
		return r
	})
}

func anyName() *rapid.Generator[queue.Name] {
	return rapid.Custom(func(t *rapid.T) queue.Name {
		text := rapid.String()
		return queue.Name{Common: text.Draw(t, "common"), Country: text.Draw(t, "country"), State: text.Draw(t, "state"),
			Locality: text.Draw(t, "locality"), Organization: text.Draw(t, "organization"), Unit: text.Draw(t, "unit")}
	})
}
