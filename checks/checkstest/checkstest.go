// Package checkstest examines checkers: whatever looks at mail for a [checks.Runner] has to pass [Run].
package checkstest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicemail/sluice/checks"
)

// limit is how long one call may take, and how long after the end of its context.
const limit = 20 * time.Second

// Run examines a checker. newChecker is called once for each rule; what it returns may be the same one each time. The
// servers it asks may be there or not: every rule holds in both cases.
func Run(t *testing.T, newChecker func(*testing.T) checks.Checker) {
	t.Run("a plain mail", func(t *testing.T) { judge(t, newChecker(t), Mail("hello\r\n")) })
	t.Run("no mail at all", func(t *testing.T) { judge(t, newChecker(t), &checks.Mail{}) })
	t.Run("an empty mail", func(t *testing.T) {
		m := Mail("")
		m.Body, m.Header = bytes.NewReader(nil), nil
		judge(t, newChecker(t), m)
	})
	t.Run("the null sender", func(t *testing.T) {
		m := Mail("hello\r\n")
		m.Envelope = ""
		judge(t, newChecker(t), m)
	})
	t.Run("an IPv6 client", func(t *testing.T) {
		m := Mail("hello\r\n")
		m.Client = netip.MustParseAddr("2001:db8::1")
		judge(t, newChecker(t), m)
	})
	t.Run("a huge header", func(t *testing.T) { judge(t, newChecker(t), hugeHeader()) })
	t.Run("hostile texts", func(t *testing.T) {
		m := Mail("\x00\xff\r\n")
		m.Hostname, m.Envelope, m.User = "\"\\\x00\xff\r\n<>", "\"a\\\xff\x00\"@\r\n@b", "u\r\nUser: v"
		judge(t, newChecker(t), m)
	})
	t.Run("an ended context", func(t *testing.T) { ended(t, newChecker(t)) })
	t.Run("many at once", func(t *testing.T) { together(t, newChecker(t)) })
	t.Run("goroutines end", func(t *testing.T) { leaks(t, newChecker(t)) })
}

// Mail returns a mail from a@example.org with this text.
func Mail(text string) *checks.Mail {
	header := "From: a@example.org\r\nTo: b@example.net\r\nSubject: hello\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n" +
		"Message-ID: <1@example.org>\r\n\r\n"
	return withHeader(header, text)
}

func withHeader(header, text string) *checks.Mail {
	return &checks.Mail{Client: netip.MustParseAddr("192.0.2.1"), Hostname: "mail.example.org", Envelope: "a@example.org",
		Recipients: []string{"b@example.net"}, ServerName: "mx.example.net", Header: []byte(header),
		Body: bytes.NewReader([]byte(header + text))}
}

func hugeHeader() *checks.Mail {
	var header strings.Builder
	header.WriteString("From: a@example.org\r\n")
	for range 2000 {
		header.WriteString("X-Filler: " + strings.Repeat("x", 60) + "\r\n")
	}
	header.WriteString("Subject: " + strings.Repeat("folded\r\n ", 10000) + "\r\n\r\n")
	return withHeader(header.String(), "hello\r\n")
}

// judge asks once and looks at the results.
func judge(t *testing.T, c checks.Checker, m *checks.Mail) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	results, err := c.Check(ctx, m)
	if err != nil {
		t.Logf("the error, which stops no mail: %v", err)
	}
	valid(t, c, results)
	if cc, ok := c.(checks.ConnectChecker); ok {
		results, _ := cc.CheckConnect(ctx, m.Client)
		valid(t, c, results)
	}
}

var verdicts = map[checks.Verdict]bool{checks.None: true, checks.Pass: true, checks.Fail: true, checks.SoftFail: true,
	checks.Neutral: true,
	checks.Policy:  true, checks.TempError: true, checks.PermError: true}

// valid holds results against what checks.Result promises.
func valid(t *testing.T, c checks.Checker, results []checks.Result) {
	t.Helper()
	if c.Name() == "" || strings.ToLower(c.Name()) != c.Name() {
		t.Errorf("a checker's name is a short word in lower case, this is %q", c.Name())
	}
	for _, r := range results {
		if r.Check != c.Name() {
			t.Errorf("a result bears the name of its check: %q instead of %q", r.Check, c.Name())
		}
		if !verdicts[r.Verdict] {
			t.Errorf("%q is no verdict of RFC 8601", r.Verdict)
		}
		if !json.Valid(r.JSON) {
			t.Errorf("not JSON: %q", r.JSON)
		} else if name, value := firstMember(r.JSON); name != c.Name() || value == "" {
			t.Errorf("the first member of a result's JSON is the check with its verdict: %s", r.JSON)
		}
		if strings.ContainsAny(r.Reason, "\r\n\x00") {
			t.Errorf("a reason goes into headers and logs, and has no line breaks: %q", r.Reason)
		}
	}
}

// firstMember returns the first name of an object with its text; empty when it is no such object.
func firstMember(data json.RawMessage) (name, value string) {
	d := json.NewDecoder(bytes.NewReader(data))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return "", ""
	}
	first, _ := d.Token()
	second, _ := d.Token()
	name, _ = first.(string)
	value, _ = second.(string)
	return name, value
}

// ended checks that nobody waits for a caller that is gone.
func ended(t *testing.T, c checks.Checker) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	begin := time.Now()
	results, _ := c.Check(ctx, Mail("hello\r\n"))
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("a check ends when its context does: this one took %v more", took)
	}
	valid(t, c, results)
}

// together checks one mail from many goroutines.
func together(t *testing.T, c checks.Checker) {
	m := Mail("hello\r\n")
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			results, _ := c.Check(ctx, m)
			valid(t, c, results)
		})
	}
	all.Wait()
}

// leaks counts goroutines before and after. Those of others may come and go, so the count is asked for until it fits.
func leaks(t *testing.T, c checks.Checker) {
	judge(t, c, Mail("hello\r\n")) // what lives as long as the checker may start here
	before := runtime.NumGoroutine()
	for range 8 {
		ctx, cancel := context.WithCancel(context.Background())
		if _, err := c.Check(ctx, Mail("hello\r\n")); err != nil {
			t.Log(err)
		}
		cancel()
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before+1 {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before 8 checks, %d after them: a check leaves none behind", before, runtime.NumGoroutine())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
