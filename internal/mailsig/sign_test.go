package mailsig

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// footballMail is the example of RFC 8463 appendix A.3, its Ed25519 signature alone.
var footballMail = strings.ReplaceAll(`DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
`, "\n", "\r\n")

// footballKey is the private key of appendix A.2.
func footballKey(t testing.TB) ed25519.PrivateKey {
	seed, err := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
	require.NoError(t, err)
	return ed25519.NewKeyFromSeed(seed)
}

const footballRecord = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

func open(mail string) *Message {
	header, _, _ := strings.Cut(mail, "\r\n\r\n")
	r := bytes.NewReader([]byte(mail))
	return NewMessage([]byte(header+"\r\n\r\n"), r, r.Size())
}

func TestThePublishedSignatureIsMadeAgain(t *testing.T) {
	m := open(footballMail)
	s, err := ParseSignature(m.Fields("dkim-signature")[0], DKIM)
	require.NoError(t, err)
	require.NoError(t, m.HashBody(t.Context(), s))
	require.Equal(t, s.Hash, s.body.final[:])
	made, err := sum(footballKey(t), "ed25519-sha256", m.signed(s))
	require.NoError(t, err)
	require.Equal(t, s.Value, made)
}

func TestWhatIsSignedVerifies(t *testing.T) {
	key, err := ParseKey(footballRecord, 0)
	require.NoError(t, err)
	require.True(t, key.Matches(footballKey(t).Public()))
	require.False(t, key.Matches(footballKey(t).Public().(ed25519.PublicKey)[:31]))
	for _, draft := range []*Draft{
		{Header: Relaxed, Body: Relaxed, Fields: []string{"From"}},
		{Header: Simple, Body: Simple, Fields: []string{"From", "From", "Subject", "Date", "X-None"}},
		{Header: Relaxed, Fields: append([]string{"From"},
			strings.Split(strings.Repeat("X-A-Rather-Long-Name ", 40)+"To", " ")...), Report: true},
		{Body: Relaxed, Fields: []string{"From"}, Expires: time.Unix(1800000060, 0)},
	} {
		draft.Domain, draft.Selector, draft.Key, draft.Time = "football.example.com", "brisbane", footballKey(t),
			time.Unix(1800000000, 0)
		fields, err := open(footballMail).Sign(t.Context(), nil, draft)
		require.NoError(t, err)
		for line := range strings.SplitSeq(strings.TrimSuffix(string(fields), "\r\n"), "\r\n") {
			require.LessOrEqual(t, len(line), 78)
		}
		signed := open(string(fields) + footballMail)
		s, err := ParseSignature(signed.Fields("dkim-signature")[0], DKIM)
		require.NoError(t, err, "%s", fields)
		require.NoError(t, signed.HashBody(t.Context(), s))
		require.NoError(t, signed.Verify(s, key), "%s", fields)
		require.Equal(t, draft.Expires.IsZero(), s.Expires.IsZero())
	}
}

func TestSignFailures(t *testing.T) {
	_, err := open(footballMail).Sign(t.Context(), nil, &Draft{Fields: []string{"From"}, Key: stranger{}})
	var problem *Problem
	require.ErrorAs(t, err, &problem)
	require.Equal(t, BadKey, problem.Kind)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = open(footballMail).Sign(ctx, nil, &Draft{Fields: []string{"From"}, Key: footballKey(t)})
	require.ErrorIs(t, err, context.Canceled)
}

// stranger is a key of a kind that DKIM does not have.
type stranger struct{ crypto.Signer }

func (stranger) Public() crypto.PublicKey { return nil }
