package queuetest

import (
	"encoding/json"
	"time"

	"github.com/sluicemail/sluice/queue"
)

// Full returns a message in which every property is set, some unknown ones too, so that an engine's tests can see that
// all of them survive. It is due at once.
func Full() *queue.Message {
	at := time.Date(2024, 2, 29, 23, 59, 58, 0, time.UTC)
	off, bounces := "", "my-bounces"
	return &queue.Message{
		Envelope: "news@example.org", Recipient: `"Jo \"X\" ☃"@Example.COM`,
		Body: queue.Bytes("Subject: everything\r\nX-Odd: \t \r\n\r\n.\r\n..\r\nℓast line\r\n"),
		Key:  "store/key", KeepMIME: true, Data: json.RawMessage(`{"name":"Jo","list":[1,{"a":null}]}`),
		IPs: []string{"192.0.2.1", "2001:db8::1"}, Pool: "bulk",
		NextAttempt: at, MaxDeliverTime: at.AddDate(100, 0, 0), MaxAttempts: 7,
		Retries: []time.Duration{time.Minute, time.Hour}, Force: true, InlineCSS: true,
		DKIM: []queue.DKIM{
			{Domain: "example.org", Selector: "s1", Key: "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n",
				Expire: 3600, Headers: []string{"List-Id"}, Report: true, Protocols: []string{"dkim", "arc"},
				Canonicalization: "relaxed/relaxed", Priority: 3, Extra: extra("comment", `"mine"`)},
			{Domain: "example.net", Selector: "s2", Key: "x"},
		},
		DSN: &queue.DSN{Notify: []string{"FAILURE", "DELAY"}, Ret: "HDRS", ORcpt: "rfc822;jo@example.com",
			EnvID: "QQ314159"},
		Queues:    &queue.Queues{Results: &off, DSN: &bounces},
		Smarthost: &queue.Smarthost{Hostname: "relay.example.org", Port: 587, Username: "me", Password: "secret"},
		Tags:      []string{"spring", "news, weekly"},
		Headers: &queue.HeaderEdits{
			Remove: []string{"x-a"}, Prepend: []queue.Field{{Name: "x-b", Value: "1"}},
			Append:  []queue.Field{{Name: "x-c", Value: "1"}, {Name: "x-c", Value: "2"}},
			Replace: []queue.Field{{Name: "subject", Value: "ho"}}, Update: []queue.Field{{Name: "x-d", Value: "é"}},
		},
		Priority: 2, Security: queue.Verified, RequireTLS: true, TLSOptional: true,
		HoldUntil: at.AddDate(0, -1, 0), DeliverBy: &queue.DeliverBy{Time: at, Mode: queue.DeliverByNotify, Trace: true},
		ID: "full.1@mx.example.net", Received: at, Hostname: "mx.example.net",
		Connection: &queue.Connection{LocalIP: "192.0.2.1", LocalPort: 25, RemoteIP: "198.51.100.7", RemotePort: 40312,
			Secure: true, User: "account"},
		Spool: &queue.SpoolSource{Directory: "/var/spool/mail-in", File: "a.eml", User: "root", Size: 17},
		CLI:   &queue.CLISource{Command: "mtad", Arguments: []string{"-t", "-i"}, User: "root"},
		HTTP:  &queue.HTTPSource{Authentication: "ci", RemoteIP: "192.0.2.9", RemotePort: 999},
		Checks: []json.RawMessage{json.RawMessage(`{"spf":"pass","smtp.mailfrom":"a@b"}`),
			json.RawMessage(`{"dkim":"fail"}`)},
		Results:   fullResults(at),
		Extracted: json.RawMessage(`{"subject":"everything"}`),
		Extra: map[string]json.RawMessage{
			"campaign": json.RawMessage(`{"id":[1,2.50,"x",{}],"deep":{"er":true}}`),
			"serial":   json.RawMessage(`12345678901234567890`), "nothing": json.RawMessage(`null`),
			"": json.RawMessage(`"no name"`),
		},
	}
}

func fullResults(at time.Time) []queue.Result {
	return []queue.Result{
		{State: queue.StateDNS, Result: queue.Error, Time: at, Description: "no such domain"},
		{State: queue.StateMessage, Result: queue.Accepted, Time: at.Add(time.Minute), MTA: "mx.example.com",
			From: "192.0.2.1",
			To:   "198.51.100.25", Messages: 3, Sent: &queue.Sent{Connection: 9000, Data: 3000}, Code: 250, Status: "2.0.0",
			Description: "OK: \"queued\"\nsecond line", DSN: true, Authentication: "plain",
			Cipher: &queue.Cipher{Name: "TLS_AES_128_GCM_SHA256", Bits: 128, AlgBits: 128, Version: "TLSv1.3", ID: 0x1301,
				Group: "X25519MLKEM768", Resumed: true},
			Certificate: &queue.Certificate{NotBefore: at, NotAfter: at.AddDate(1, 0, 0), Version: 3, Verified: true,
				Result: "ok", KeyUsage: 5, SelfSigned: true, Subject: &queue.Name{Common: "mx.example.com"},
				Issuer: &queue.Name{Common: "ca"}, AltNames: []string{"mx.example.com"}},
			Extra: extra("note", `[1,2]`)},
	}
}

func extra(name, value string) map[string]json.RawMessage {
	return map[string]json.RawMessage{name: json.RawMessage(value)}
}
