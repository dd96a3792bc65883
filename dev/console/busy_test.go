package console_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/console"
	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/feedback"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/monitor/logsearch"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/queue/memory"
)

// long is a name as hosts of large receivers have them.
const long = "mail-sor-f41.outbound.protection.a-large-receiver.test"

// busyOffice is a console all of whose tables have rows, and what its pages of one thing are about.
func busyOffice(t *testing.T) (o *consoletest.Office, things []string) {
	q := memory.New()
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	o = consoletest.NewOffice(t, func(c *console.Console) {
		c.Now = nil
		busyAdmin(t, c.Admin, q)
		c.Instances = func() ([]console.Instance, error) {
			return []console.Instance{{Host: "mta2.test", URL: "https://mta2.test:8485/", Seen: time.Now()}}, nil
		}
		c.Tail = new(logsearch.Tail)
		c.Slots = func() console.Slots {
			return console.Slots{Outgoing: 5, OutgoingLimit: 100, Incoming: 1, IncomingLimit: 50}
		}
	})
	mail := "Content-Type: text/html\r\nSubject: hello\r\n\r\n<p>Hello <img src=https://images.test/a.png alt=picture></p>\r\n"
	require.NoError(t, q.Publish(t.Context(), queue.Item{Queue: "outbox", Message: &queue.Message{ID: "id-1", Tags: []string{"news"},
		Envelope: "news@sender.test", Recipient: "someone.with.a.long.name@a-large-receiver.test", Body: queue.Bytes(mail)}}))
	things = fillSettings(o)
	for i := range 40 {
		e := monitor.Event{Kind: monitor.Picked, Domain: fmt.Sprintf("d%02d.%s", i, long), MTA: netip.MustParseAddr("192.0.2.1"),
			Tags: []string{"news"}}
		o.Live.Observe(&e)
		e.Kind, e.Code, e.Text = monitor.Retried, 451, "4.7.1 too many mails from 192.0.2.1"
		o.Live.Observe(&e)
	}
	return o, append(things, "/domains/slow.test", "/mtas/192.0.2.1", "/tags/news", "/messages/id-1", "/messages/id-1/rendered",
		"/messages/id-1/source", "/queues/inject", "/nowhere")
}

// busyAdmin gives an Admin answers to all that pages ask.
func busyAdmin(t *testing.T, a *admin.Admin, q queue.Queue) {
	a.Queue, a.Inbox, a.Hostname = q, "inbox", "mta1.test"
	flood := admin.Flood{Name: "Too many", Source: "192.0.2.1", Site: "slow.test", Phase: "paused", Until: time.Now().Add(time.Hour),
		Text: "421 4.7.0 too many mails from your address, come back later"}
	a.Floods = func() []admin.Flood { return []admin.Flood{flood} }
	a.Paths = func(context.Context, string, netip.Addr) ([]admin.Path, error) {
		return []admin.Path{{Site: "slow.test", Source: "192.0.2.1", Ready: 6911, Open: 2, Floods: []admin.Flood{flood},
			Limits:  []admin.LimitValue{{Limit: "maxmessages", Value: 1200, Unit: "per minute", Rule: "Warm"}},
			Binding: []admin.Binding{{Limit: "maxmessages", Rule: "Warm"}}}}, nil
	}
	a.Hosts = func(context.Context, string) []admin.Host {
		return []admin.Host{{Name: "mx1." + long, Address: netip.MustParseAddr("2001:db8:1:2:3:4:5:6")},
			{Name: "mx2." + long, Address: netip.MustParseAddr("198.51.100.2")}}
	}
	a.Held = func(context.Context) ([]admin.Held, error) {
		return []admin.Held{{Domain: "held.test", Rule: "pause 1", Messages: 12}, {Tag: "news", Rule: "pause 1", Messages: 3}}, nil
	}
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprintf(`{"message-id":"id-%d","envelope":"news-%d@newsletters.sender.test","recipient":`+
			`"someone.with.a.long.name.%d@a-large-receiver.test","received":"2026-01-02 12:00:00","results":[{"state":"rcptto",`+
			`"result":"error","time":"2026-01-02 12:00:%02d","from":"2001:db8::192.0.2.1","to":"2001:db8:1:2:3:4:5:%d","mta":%q,"code":451,`+
			`"status":"4.7.1","description":"the address that you send from has sent too many mails in too short a time, see https://%s"}]}`,
			i, i, i, i, i, long, long))
	}
	name := filepath.Join(t.TempDir(), "send.json")
	require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	a.SearchLogs = logsearch.Files{Send: name, Received: name}.Search
	a.Services = func(context.Context) []admin.Service {
		return []admin.Service{{Name: "delivery", Up: true, Controllable: true}, {Name: "smtp 25", Up: true, Controllable: true, Stopped: true},
			{Name: "ClamAV", Detail: "connection refused"}}
	}
	desk := &reports{}
	desk.add(feedback.Record{ID: "1/0", Time: time.Now(), Kind: feedback.HardBounce, MessageID: "1-abc", Recipient: "gone@receiver.test",
		Status: "5.1.1", Diagnostic: "no such user", Proof: feedback.ProofReturnPath, Suppressed: "gone@receiver.test", Why: "rule 1"})
	known := new(trust)
	known.add(admin.TLSPolicy{Domain: "a.example", Policy: "dane", Mode: "enforce", MX: []string{long}, Good: 3})
	a.Key = func(string) (admin.KeyFacts, error) {
		return admin.KeyFacts{Record: "v=DKIM1; k=ed25519; p=c29tZSBrZXk="}, nil
	}
	a.LookupTXT = func(context.Context, string) ([]string, error) { return nil, errors.New("no such name") }
	a.Feedback, a.TLS, a.Webhook = desk, known, consoletest.Webhook{Reason: "no"}
}

// fillSettings puts a row or more into each table, and returns the addresses of their pages.
func fillSettings(o *consoletest.Office) (pages []string) {
	add := func(path string, table settings.TableName, values admin.Values) int64 {
		row := o.Add(table, values)
		if path != "" {
			pages = append(pages, fmt.Sprintf("%s/%d", path, row.ID), path+"/new")
		}
		return row.ID
	}
	warm := add("/throttles", settings.TableCapacity, admin.Values{"name": "Warm", "maxmessages": 1200, "maxconnections": 20,
		"maxconnects": 60, "maxbytes": 1 << 30, "ip_maxmessages": 100})
	add("", settings.TableCapacityRules, admin.Values{"capacity": warm, "domain": "slow.test"})
	add("/floods", settings.TableFloodResponses, admin.Values{"name": "Too many", "pattern": "too many mails from your address",
		"type": "substr", "pause": 60, "duration": 600})
	up := add("/schedules", settings.TableSchedules, admin.Values{"name": "Warm-up"})
	add("", settings.TableScheduleSteps, admin.Values{"schedule": up, "day": 1, "capacity": warm})
	add("/pauses", settings.TablePaused, admin.Values{"target": "held.test"})
	add("/pauses", settings.TablePaused, admin.Values{"tag": "a-tag-with-a-long-name-2026-12-01", "localip": "2001:db8:1:2:3:4:5:6",
		"target": long, "expire": "2027-01-01 12:00:00"})
	add("/redirects", settings.TableDelegates, admin.Values{"localip": "192.0.2.1", "newip": "192.0.2.2", "domain": long})
	add("/forced-errors", settings.TableErrors, admin.Values{"domain": "gone.test", "code": 550, "extended": "5.7.1",
		"description": "this domain is closed, and what is sent to it comes back at once"})
	for i := range 60 {
		add("", settings.TableSuppressions, admin.Values{"value": fmt.Sprintf("someone.with.a.long.name.%d@a-large-receiver.test", i),
			"type": "address", "code": 550})
	}
	pages = append(pages, "/suppressions/1", "/suppressions/1/delete")
	add("/feedback-rules", settings.TableFeedbackRules, admin.Values{"kind": "bounce", "threshold": 2, "days": 30})
	add("/feedback-senders", settings.TableFeedbackSenders, admin.Values{"domain": "loop.example.com"})
	add("/rewrites", settings.TableRewriteTriggers, admin.Values{"name": "Tag news", "domain": "example.com"})
	add("/responses", settings.TableResponsePatterns, admin.Values{"name": "Unknown user", "pattern": "no such user", "type": "substr"})
	add("/response-actions", settings.TableResponseActions, admin.Values{"name": "give up", "type": "fail", "value": "550 5.7.1 unwanted"})
	add("/pools", settings.TablePools, admin.Values{"name": "warm", "description": "new ones"})
	add("", settings.TablePoolIPs, admin.Values{"pool": "warm", "ip": "192.0.2.1"})
	add("/external-mtas", settings.TableExternalMTAs, admin.Values{"public_ip": "198.51.100.1", "local_ip": "192.0.2.1",
		"connect_ip": "192.0.2.9", "connect_port": 1080, "protocol": "socks"})
	key, err := admin.NewPrivateKey("ed25519")
	require.NoError(o.T, err)
	add("/dkim", settings.TableDKIMKeys, admin.Values{"domain": "example.com", "selector": "s1", "privatekey": key})
	add("/locals", settings.TableLocals, admin.Values{"address": "bounces@example.com", "type": "exact"})
	add("/dns", settings.TableDNS, admin.Values{"hostname": "mx.example.com", "ip": "192.0.2.3"})
	add("/blocklist", settings.TableBlocklist, admin.Values{"value": "192.0.2.0/24", "description": "go away"})
	add("/routes", settings.TableRoutes, admin.Values{"domain": "example.org", "relay": "relay.example.net", "port": 25})
	add("", settings.TableMTANames, admin.Values{"localip": "192.0.2.1", "name": "out1.sender.test"})
	_, _, err = o.Admin.AddToken(o.T.Context(), "billing")
	require.NoError(o.T, err)
	return pages
}
