package preflight_test

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/preflight"
)

// A good mail has no findings, however it is good.
func TestGood(t *testing.T) {
	for name, change := range map[string]func(*setting){
		"as it is":    func(*setting) {},
		"null sender": func(s *setting) { s.envelope.Envelope = ""; s.zone += "mta.example.org TXT v=spf1 a -all\n" },
		"from a subdomain": func(s *setting) {
			s.replace("news@example.org",
				"news@mail.example.org")
			s.zone += "mail.example.org MX 10 mx.example.org\n"
		},
		"foreign envelope": func(s *setting) {
			s.envelope.Envelope = "b@esp.example"
			s.zone += "esp.example TXT v=spf1 ip4:192.0.2.7 -all\nesp.example MX 10 mx.esp.example\nesp.example SOA ns.esp.example\n"
		},
		"a record only":    func(s *setting) { s.drop("example.org MX"); s.zone += "example.org A 192.0.2.9\n" },
		"source not known": func(s *setting) { s.envelope.Source = netip.Addr{}; s.drop("bounce.example.org TXT") },
		"transactional": func(s *setting) {
			s.envelope.Transactional = true
			s.replace("List-Unsubscribe: <mailto:off@example.org>, <https://example.org/off/1>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n", "")
		},
		"Unix lines": func(s *setting) {
			s.raw = func(m []byte) []byte {
				return bytes.ReplaceAll(m, []byte("\r\n"),
					[]byte("\n"))
			}
		},
		"date with comment": func(s *setting) { s.replace("+0000", "+0000 (UTC)") },
		"quoted name":       func(s *setting) { s.replace("News <", `"Doe, Jane" <`) },
		"no final line end": func(s *setting) { s.mail = strings.TrimSuffix(s.mail, "\n") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetting()
			change(s)
			require.Empty(t, s.check(t, t.Context()))
		})
	}
}

// Each fault is named, and nothing else is.
func TestFaults(t *testing.T) {
	after := func(old, with string) func([]byte) []byte {
		return func(m []byte) []byte { return bytes.Replace(m, []byte(old), []byte(with), 1) }
	}
	long := strings.Repeat("long ", 250)
	for _, c := range []struct {
		name, found string // "found" in what the first finding says
		change      func(*setting)
		want        string
	}{
		{"text at once", "", func(s *setting) { s.unsigned = true; s.mail = "Hello Jo,\n\nall is well.\n" },
			"no-header"},
		{"no From", "", func(s *setting) { s.unsigned = true; s.replace("From: News <news@example.org>\n", "") },
			"no-from unsigned"},
		{"two addresses in From", "", func(s *setting) {
			s.replace("<news@example.org>",
				"<news@example.org>, <old@example.org>")
		}, "several-from"},
		{"From without a domain", `From is "News"`, func(s *setting) { s.replace("News <news@example.org>", "News") },
			"bad-from"},
		{"no Date", "", func(s *setting) { s.replace("Date: Tue, 1 Dec 2026 02:59:00 +0000\n", "") }, "no-date"},
		{"Date of no form", "yesterday", func(s *setting) { s.replace("Tue, 1 Dec 2026 02:59:00 +0000", "yesterday") },
			"bad-date"},
		{"old Date", "2019-12-01", func(s *setting) { s.replace("Tue, 1 Dec 2026", "Sun, 1 Dec 2019") }, "odd-date"},
		{"Date to come", "", func(s *setting) { s.replace("Tue, 1 Dec", "Thu, 3 Dec") }, "odd-date"},
		{"no Message-ID", "", func(s *setting) { s.replace("Message-ID: <1@example.org>\n", "") }, "no-message-id"},
		{"bad Message-ID", "1@example.org", func(s *setting) { s.replace("<1@example.org>", "1@example.org") },
			"bad-message-id"},
		{"two Message-IDs", "2 fields message-id",
			func(s *setting) { s.replace("Subject:", "Message-ID: <2@example.org>\nSubject:") }, "repeated-field"},
		{"two Subjects", "2 fields subject", func(s *setting) { s.replace("Subject:", "Subject: more\nSubject:") },
			"repeated-field"},
		{"odd line", "lost", func(s *setting) { s.replace("Subject:", "a lost line\nSubject:") }, "odd-line"},
		{"raw UTF-8", "", func(s *setting) { s.replace("Hello", "Hällo") }, "header-8bit"},
		{"long header line", "line", func(s *setting) { s.replace("Hello", long) }, "header-line-long"},
		{"large header", "kB", func(s *setting) {
			s.replace("Subject:",
				strings.Repeat("X-Data: "+long[:500]+"\n", 140)+"Subject:")
		}, "header-large"},
		{"long body line", "", func(s *setting) { s.replace("all is well.", long) }, "body-line-long"},
		{"bare CR", "", func(s *setting) { s.raw = after("all is well.", "all is\rwell."); s.unsigned = true },
			"bare-cr unsigned"},
		{"bare LF", "line", func(s *setting) { s.raw = after("Jo,\r\n", "Jo,\n"); s.unsigned = true }, "bare-lf unsigned"},
		{"NUL", "", func(s *setting) { s.mail += "\x00\n" }, "nul"},
		{"too large", "21 MB", func(s *setting) { s.mail += strings.Repeat(strings.Repeat("x", 76)+"\n", 270_000) },
			"too-large"},
		{"unsigned", "", func(s *setting) { s.unsigned = true }, "unsigned"},
		{"broken signature", "no tag", func(s *setting) { s.raw = after("bh=", "xx=") }, "bad-signature"},
		{"SHA-1", "", func(s *setting) { s.raw = after("rsa-sha256", "rsa-sha1") }, "sha1"},
		{"signature is over", "2026", func(s *setting) {
			s.draft.Time, s.draft.Expires = now.Add(-48*time.Hour),
				now.Add(-time.Hour)
		}, "expired-signature"},
		{"signature for a part", "", func(s *setting) { s.raw = after("bh=", "l=5; bh=") }, "partial-signature"},
		{"foreign signature and envelope", "From is of example.org, the envelope of esp.example, signed by esp.example",
			func(s *setting) {
				s.draft.Domain, s.envelope.Envelope = "esp.example", "b@esp.example"
				s.zone += "esp.example TXT v=spf1 ip4:192.0.2.7 -all\nesp.example MX 10 mx.esp.example\nesp.example SOA ns.esp.example\n"
			}, "not-aligned"},
		{"no unsubscribe", "", func(s *setting) {
			s.replace("List-Unsubscribe: <mailto:off@example.org>, <https://example.org/off/1>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n", "")
		}, "no-unsubscribe"},
		{"no one-click", "", func(s *setting) { s.replace("List-Unsubscribe-Post: List-Unsubscribe=One-Click\n", "") },
			"no-one-click"},
		{"one-click misspelt", "Yes", func(s *setting) { s.replace("=One-Click", "=Yes") }, "bad-one-click"},
		{"one-click over http", "https", func(s *setting) { s.replace("https:", "http:") }, "bad-one-click"},
		{"one-click without List-Unsubscribe", "",
			func(s *setting) {
				s.replace("List-Unsubscribe: <mailto:off@example.org>, <https://example.org/off/1>\n", "")
			}, "bad-one-click"},
		{"unsubscribe not signed", "", func(s *setting) { s.draft.Fields = fields[:6] }, "unsubscribe-unsigned"},
		{"changed after signing", "s1._domainkey.example.org: body was changed",
			func(s *setting) { s.raw = after("all is well", "all is lost") }, "signature-fails"},
		{"key not published", "no key published", func(s *setting) { s.published = nil }, "signature-fails"},
		{"short key", "512 bits", func(s *setting) { s.published = tiny() }, "short-key"},
		{"key of 1024 bits", "1024 bits", func(s *setting) { s.key, s.published = key1024(), &key1024().PublicKey },
			"key-under-2048"},
		{"SPF of others", "fail",
			func(s *setting) {
				s.envelope.Source = netip.MustParseAddr("192.0.2.8")
				s.zone += "b.example.org A 192.0.2.8\n192.0.2.8 PTR b.example.org.\n"
			}, "spf-fails"},
		{"no SPF", "publishes no SPF", func(s *setting) { s.drop("bounce.example.org TXT") }, "spf-fails"},
		{"no DMARC", "", func(s *setting) { s.drop("_dmarc") }, "no-dmarc"},
		{"strict DMARC", "not aligned", func(s *setting) {
			s.replace("news@example.org", "news@mail.example.org")
			s.drop("_dmarc")
			s.zone += "mail.example.org MX 10 mx.example.org\n_dmarc.example.org TXT v=DMARC1; p=reject; adkim=s; aspf=s\n"
		}, "dmarc-fails"},
		{"no MX", "example.org has neither", func(s *setting) { s.drop("example.org MX") }, "from-unreachable"},
		{"null MX", "null MX", func(s *setting) { s.drop("example.org MX"); s.zone += "example.org MX 0 .\n" },
			"from-unreachable"},
		{"envelope unreachable", "bounce.example.org has neither", func(s *setting) { s.drop("bounce.example.org MX") },
			"envelope-unreachable"},
		{"no SOA", "example.org has no SOA", func(s *setting) { s.drop("example.org SOA") }, "no-soa"},
		{"no PTR", "192.0.2.7", func(s *setting) { s.drop("192.0.2.7") }, "no-ptr"},
		{"PTR leads elsewhere", "mta.example.org",
			func(s *setting) { s.drop("mta.example.org A"); s.zone += "mta.example.org A 192.0.2.99\n" }, "ptr-mismatch"},
		{"DNS away", "_dmarc.example.org", func(s *setting) { s.drop("_dmarc"); s.zone += "_dmarc.example.org SERVFAIL\n" },
			"no-answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSetting()
			c.change(s)
			found := s.check(t, t.Context())
			require.Equal(t, strings.Fields(c.want), ids(found), "%+v", found)
			require.Contains(t, found[0].Found, c.found)
			for _, f := range found {
				require.NotEmpty(t, f.Remedy)
				require.True(t, len(f.Asked) > 0 || f.ID == "no-answer")
			}
		})
	}
}

// Without DNS only the mail speaks; with a dead one everything is said not to be known, and nothing is blamed.
func TestDNS(t *testing.T) {
	s := newSetting()
	s.published, s.zone = nil, ""
	m := s.envelope
	m.Text = s.text(t)
	require.Empty(t, (&preflight.Checker{Now: func() time.Time { return now }}).Check(t.Context(), &m))
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	s = newSetting()
	found := s.check(t, dead)
	require.NotEmpty(t, found)
	for _, f := range found {
		require.Equal(t, "no-answer", f.ID, f.Found)
	}
}

// Of a mail that is there in part nothing is said of what is not there.
func TestBeginning(t *testing.T) {
	s := newSetting()
	s.mail += strings.Repeat("more\n", 1000)
	m := s.envelope
	m.Text = s.text(t)
	m.Size = int64(len(m.Text))
	m.Text = m.Text[:2000]
	require.Empty(t, preflight.Look(&m, now))
	m.Size = 60_000_000
	found := preflight.Look(&m, now)
	require.Equal(t, []string{"too-large"}, ids(found))
	require.Contains(t, found[0].Found, "Gmail")
}

// What comes is never shown raw.
func TestHostile(t *testing.T) {
	evil := "\x1b[31m\x07<script>" + strings.Repeat("A", 100_000)
	for _, f := range preflight.Look(&preflight.Mail{Text: []byte("From: " + evil + "\r\nDate: " + evil + "\r\nMessage-ID: " + evil +
		"\r\nDKIM-Signature: v=1; d=" + evil + "\r\nList-Unsubscribe-Post: " + evil + "\r\n\r\n")}, now) {
		require.Less(t, len(f.Found), 500, f.ID)
		require.NotContains(t, f.Found, "\x1b", f.ID)
	}
}

func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range preflight.Rules() {
		require.False(t, seen[r.ID], r.ID)
		seen[r.ID] = true
		require.NotEmpty(t, r.Meaning, r.ID)
		require.NotEmpty(t, r.Remedy, r.ID)
		require.Contains(t, preflight.Severities(), r.Severity)
		for _, s := range r.Asked {
			require.True(t, strings.HasPrefix(s.URL, "https://"), r.ID)
		}
	}
}

func TestWorst(t *testing.T) {
	require.Equal(t, preflight.Severity(""), preflight.Worst(nil))
	require.Equal(t, preflight.Warning, preflight.Worst([]preflight.Finding{{Severity: preflight.Notice},
		{Severity: preflight.Warning}}))
}

func TestTally(t *testing.T) {
	var tally preflight.Tally
	bad := preflight.Look(&preflight.Mail{Text: []byte("Subject: x\r\n\r\n")}, now)
	tally.Add([]string{"a", "b", "a"}, bad, now)
	tally.Add([]string{"a"}, nil, now)
	tally.Add(nil, bad, now.Add(time.Second))
	counts, looked := tally.Counts()
	require.EqualValues(t, 4, looked)
	require.Equal(t, preflight.Error, counts[0].Severity)
	for _, c := range counts {
		require.EqualValues(t, 1, c.Mails)
		require.EqualValues(t, map[string]int64{"a": 2, "b": 1, "": 1}[c.Tag], c.Looked)
		require.NotEmpty(t, c.Example)
	}
	for i := range 5000 { // tags without end take no memory without end
		tally.Add([]string{"t" + strings.Repeat("x", i%7) + time.Duration(i).String()}, bad, now)
	}
	counts, looked = tally.Counts()
	require.EqualValues(t, 5004, looked)
	require.LessOrEqual(t, len(counts), 1001*len(bad))
}

func TestSampler(t *testing.T) {
	s := &preflight.Sampler{Share: 1, Now: func() time.Time { return now }}
	require.True(t, s.Wants())
	for range 10 {
		s.Take(&preflight.Mail{Text: []byte("Subject: x\r\n\r\n")}, []string{"spring"})
	}
	s.Close()
	counts, looked := s.Tally.Counts()
	require.EqualValues(t, 10, looked+s.Dropped())
	require.Equal(t, "spring", counts[0].Tag)
	none := new(preflight.Sampler)
	require.False(t, none.Wants())
	none.Close()
}

func FuzzLook(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("DKIM-Signature: v=1; a=rsa-sha1; b=; d=\r\nDKIM-Signature: x\r\n\r\n\n\r"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, found := range preflight.Look(&preflight.Mail{Text: text, Envelope: "a@example.org"}, now) {
			require.NotContains(t, found.Found, "\x1b")
		}
	})
}

func BenchmarkLook(b *testing.B) {
	s := newSetting()
	s.mail += strings.Repeat(strings.Repeat("x", 70)+"\n", 130)
	m := s.envelope
	m.Text = s.text(b)
	b.SetBytes(int64(len(m.Text)))
	b.ReportAllocs()
	for b.Loop() {
		if len(preflight.Look(&m, now)) != 0 {
			b.Fatal("findings")
		}
	}
}
