package preflight_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/mailsig"
	"github.com/sluicemail/sluice/internal/mailsuite"
	"github.com/sluicemail/sluice/preflight"
)

// now is when everything happens.
var now = time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)

// good is a mail that every receiver takes, but for its signature.
const good = `From: News <news@example.org>
To: jo@example.net
Subject: Hello
Date: Tue, 1 Dec 2026 02:59:00 +0000
Message-ID: <1@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii
List-Unsubscribe: <mailto:off@example.org>, <https://example.org/off/1>
List-Unsubscribe-Post: List-Unsubscribe=One-Click

Hello Jo,
all is well.
`

// zone is what the DNS has for it, but for the key.
const zone = `example.org SOA ns.example.org
example.org MX 10 mx.example.org
example.org TXT v=spf1 ip4:192.0.2.0/24 -all
_dmarc.example.org TXT v=DMARC1; p=reject
bounce.example.org MX 10 mx.example.org
bounce.example.org TXT v=spf1 ip4:192.0.2.7 -all
mta.example.org A 192.0.2.7
192.0.2.7 PTR mta.example.org.
`

var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

var key1024 = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return k
})

// record is what publishes a key.
func record(t testing.TB, k *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(k)
	require.NoError(t, err)
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

// tiny is a key of 512 bits, as nobody makes any more.
func tiny() *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), 511)
	return &rsa.PublicKey{N: n.Add(n, big.NewInt(12345)), E: 65537}
}

var fields = []string{"From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"}

// setting is a mail with its DNS, made wrong in one place.
type setting struct {
	mail      string              // LF stands for CRLF
	raw       func([]byte) []byte // done to the mail that is signed; nil: nothing
	zone      string
	key       *rsa.PrivateKey
	published *rsa.PublicKey
	draft     mailsig.Draft
	unsigned  bool
	envelope  preflight.Mail // the mail is filled in
}

func newSetting() *setting {
	return &setting{mail: good, zone: zone, key: key(), published: &key().PublicKey,
		draft: mailsig.Draft{Domain: "example.org", Selector: "s1", Header: mailsig.Relaxed, Body: mailsig.Relaxed,
			Fields: fields, Time: now},
		envelope: preflight.Mail{Envelope: "b@bounce.example.org", Hostname: "mta.example.org",
			Source: netip.MustParseAddr("192.0.2.7")}}
}

func (s *setting) replace(old, with string) {
	if !strings.Contains(s.mail, old) {
		panic("the mail has no " + old)
	}
	s.mail = strings.Replace(s.mail, old, with, 1)
}

// drop takes what begins so out of the zone.
func (s *setting) drop(begin string) {
	var kept []string
	for line := range strings.Lines(s.zone) {
		if !strings.HasPrefix(line, begin) {
			kept = append(kept, line)
		}
	}
	s.zone = strings.Join(kept, "")
}

func (s *setting) text(t testing.TB) []byte {
	text := mailsuite.CRLF(s.mail)
	if !s.unsigned {
		s.draft.Key = s.key
		message := mailsig.NewMessage(mailsuite.Header(text), bytes.NewReader(text), int64(len(text)))
		signature, err := message.Sign(t.Context(), nil, &s.draft)
		require.NoError(t, err)
		text = append(signature, text...)
	}
	if s.raw != nil {
		text = s.raw(text)
	}
	return text
}

func (s *setting) check(t testing.TB, ctx context.Context) []preflight.Finding {
	z := mailsuite.ParseZone(t, s.zone)
	if s.published != nil {
		z.Add(s.draft.Selector+"._domainkey."+s.draft.Domain, "TXT", record(t, s.published))
	}
	m := s.envelope
	m.Text = s.text(t)
	return (&preflight.Checker{Resolver: z, Now: func() time.Time { return now }}).Check(ctx, &m)
}

func ids(findings []preflight.Finding) []string {
	all := []string{}
	for _, f := range findings {
		all = append(all, f.ID)
	}
	return all
}
