package logfile

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// record is a monitor.Record made of properties.
type record map[string]string

func (r record) Property(path string) (string, bool) {
	text, ok := r[strings.ReplaceAll(path, "_", "-")]
	return text, ok
}

func (r record) AppendRecord(dst []byte) []byte {
	text, err := json.Marshal(map[string]string(r))
	if err != nil {
		return dst
	}
	return append(dst, text...)
}

func (r record) Attempts() int { return 2 }

var (
	noon    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	message = record{
		"recipient": "b@example.com", "envelope": "a@example.org", "message-id": "id-1", "tags": "news,daily",
		"connection.remote-ip": "203.0.113.9", "connection.local-ip": "192.0.2.1", "zero": "0", "no": "false",
		"report.type": "arf",
	}
	result = record{
		"state": "message", "result": "accepted", "from": "192.0.2.1", "to": "198.51.100.7", "code": "250", "status": "2.0.0",
		"description": "OK\r\nqueued\x1b[31m as\x007",
	}
	all = names{
		"email": messageValue, "report": messageValue, "result": resultValue, "attempt": attemptValue, "date": dateValue,
		"time": timeValue, "url": urlValue, "ip": ipValue, "request": requestValue,
	}
)

func sample() *values {
	return &values{at: noon, message: message, result: result, url: "https://example.com/x",
		ip: netip.MustParseAddr("192.0.2.9"), request: "GET /"}
}

func TestTemplates(t *testing.T) {
	tests := []struct{ format, want string }{
		{"", ""},
		{"plain }", "plain }"},
		{"{$date} {$time}", "2026-11-21 11:00:00 1795258800"},
		{"<{$email.recipient}> {$attempt}", "<b@example.com> 2"},
		{"{$email.connection.remote_ip}|{$email.connection.remote-ip}", "203.0.113.9|203.0.113.9"},
		{"{$result.code} {$result.description}", `250 OK\r\nqueued\x1b[31m as\x007`},
		{"[{$email.nothing}{$result.nothing}{$unknown}{$unknown.too}{$date.x}]", "[]"},
		{"{if $email.envelope}yes{else}no{/if}", "yes"},
		{"{if $email.nothing}yes{else}no{/if}", "no"},
		{"{if $email.nothing}yes{/if}.", "."},
		{"{if $email.zero}yes{else}no{/if}{if $email.no}yes{else}no{/if}", "nono"},
		{"{if $email}m{/if}{if $result}r{/if}{if $attempt}a{/if}{if $date}d{/if}{if $unknown}u{/if}", "mrad"},
		{"{if $url}{if $ip}both{else}one{/if}{else}{if $request}x{/if}{/if}", "both"},
		{"{if  $request }spaces{/if}", "spaces"},
		{"{$report.type}{if $report}x{/if}", "arf"},
		{"{$url} {$ip} {$request}", "https://example.com/x 192.0.2.9 GET /"},
		{"{ldelim}$x{rdelim} { x } {", "{$x} { x } {"},
		{"{$result}", string(result.AppendRecord(nil))},
		{"é{$attempt}é", "é2é"},
	}
	for _, test := range tests {
		parsed, err := parse(test.format, all)
		require.NoError(t, err, test.format)
		require.Equal(t, test.want, string(parsed.append(nil, sample())), test.format)
		require.NotPanics(t, func() { parsed.append(nil, new(values)) }, test.format)
	}
}

func TestTemplateErrors(t *testing.T) {
	tests := []struct {
		format string
		column int
		reason string
	}{
		{"abc {$date", 5, "{ without }"},
		{"{foreach $x}", 1, "is not understood"},
		{"{$x|upper}", 1, "not a variable"},
		{"{$}", 1, "not a variable"},
		{"{$a..b}", 1, "not a variable"},
		{"x{if $a}", 2, "without {/if}"},
		{"{if $a}{else}", 1, "without {/if}"},
		{"x{else}y{/if}", 2, "without {if}"},
		{"x{/if}", 2, "without {if}"},
		{"{if $a}1{else}2{else}3{/if}", 16, "second {else}"},
		{"{if a}{/if}", 1, "not a variable"},
		{`{"json": 1}`, 1, "is not understood"},
		{strings.Repeat("{if $a}", maxDepth+1), 7*maxDepth + 1, "inside each other"},
		{strings.Repeat("x", maxTemplate+1), maxTemplate + 1, "longer than"},
	}
	for _, test := range tests {
		_, err := parse(test.format, all)
		var wrong *TemplateError
		require.True(t, errors.As(err, &wrong), test.format)
		require.Equal(t, test.column, wrong.Column, test.format)
		require.ErrorContains(t, err, test.reason, test.format)
	}
	err := (&Options{WWW: Target{Format: "{$"}}).Check()
	require.EqualError(t, err, "www-log-format: column 1: { without }")
	require.NoError(t, new(Options).Check())
}

func FuzzTemplate(f *testing.F) {
	f.Add(DefaultSend)
	f.Add(DefaultReceived)
	f.Add("{if $email.a}{if $date}x{/if}{else}{ldelim}{/if}{")
	f.Fuzz(func(t *testing.T, format string) {
		parsed, err := parse(format, all)
		if err != nil {
			var wrong *TemplateError
			if !errors.As(err, &wrong) || wrong.Column < 1 || wrong.Column > len(format)+1 {
				t.Fatalf("bad error %v", err)
			}
			return
		}
		parsed.append(nil, sample())
		parsed.append(nil, new(values))
	})
}
