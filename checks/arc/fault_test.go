package arc_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/arc"
	"github.com/sluicemail/sluice/internal/mailsuite"
)

// load reads the mail and zone of a case.
func load(t testing.TB, name string) ([]byte, *mailsuite.Zone) {
	text, err := os.ReadFile("testdata/" + name + ".txt")
	require.NoError(t, err)
	files := map[string]string{}
	for _, f := range txtar.Parse(text).Files {
		files[f.Name] = string(f.Data)
	}
	return mailsuite.CRLF(files["mail"]), mailsuite.ParseZone(t, files["zone"])
}

// Chains that are long, huge or nonsense fail at once, without a question to the DNS.
func TestHostileChains(t *testing.T) {
	var thousand strings.Builder
	for i := 1; i <= 1000; i++ {
		n := strconv.Itoa(i)
		thousand.WriteString("ARC-Seal: i=" + n + "; a=rsa-sha256; cv=pass; d=a.example; s=s1; b=AAAA\n" +
			"ARC-Message-Signature: i=" + n + "; a=rsa-sha256; d=a.example; s=s1; h=from; bh=AAAA; b=AAAA\n" +
			"ARC-Authentication-Results: i=" + n + "; x; none\n")
	}
	for name, header := range map[string]string{
		"1,000 sets":     thousand.String(),
		"1 MB seal":      "ARC-Seal: i=1; " + strings.Repeat("a=b; ", 200_000) + "\n",
		"1 MB results":   "ARC-Authentication-Results: " + strings.Repeat("i=1 ", 250_000) + "\n",
		"10,000 seals":   strings.Repeat("ARC-Seal: i=1\n", 10_000),
		"empty fields":   "ARC-Seal:\nARC-Message-Signature:\nARC-Authentication-Results:\n",
		"huge instance":  "ARC-Authentication-Results: i=" + strings.Repeat("9", 1000) + "; x\n",
		"signed numbers": "ARC-Authentication-Results: i=+1; x\n",
	} {
		t.Run(name, func(t *testing.T) {
			zone := mailsuite.ParseZone(t, "")
			started := time.Now()
			r := check(t, &arc.Checker{Resolver: zone}, mailsuite.CRLF(header+sample))
			require.Equal(t, checks.Fail, r.Verdict)
			require.NotEmpty(t, r.Reason)
			require.Less(t, len(r.JSON), 1000)
			require.Empty(t, zone.Queries())
			require.Less(t, time.Since(started), 2*time.Second)
		})
	}
}

// Each key is asked for once, however long the chain.
func TestQuestions(t *testing.T) {
	mail, zone := load(t, "fifty")
	require.Equal(t, checks.Pass, check(t, &arc.Checker{Resolver: zone}, mail).Verdict)
	require.Len(t, zone.Queries(), 2)
}

// slow never answers before the caller gives up.
type slow struct{}

func (slow) LookupTXT(ctx context.Context, name string) ([]string, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: ctx.Err().Error(), Name: name, IsTimeout: true, IsTemporary: true}
}

func TestOutOfTime(t *testing.T) {
	mail, zone := load(t, "two")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for _, resolver := range []arc.Resolver{slow{}, zone} {
		results, err := (&arc.Checker{Resolver: resolver}).Check(ctx, mailOf(mail))
		require.NoError(t, err)
		require.Equal(t, checks.TempError, results[0].Verdict)
	}
}

// The budget of a mail holds.
func TestBudget(t *testing.T) {
	mail, zone := load(t, "two")
	results, err := (&arc.Checker{Resolver: checks.Bound(zone)}).Check(checks.WithLookups(t.Context(), 1), mailOf(mail))
	require.NoError(t, err)
	require.Equal(t, checks.TempError, results[0].Verdict)
}

// broken is a mail whose disk fails.
type broken struct{ *bytes.Reader }

var errDisk = errors.New("disk on fire")

func (b broken) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestUnreadable(t *testing.T) {
	raw, zone := load(t, "two")
	mail := mailOf(raw)
	mail.Body = broken{mail.Body.(*bytes.Reader)}
	_, err := (&arc.Checker{Resolver: zone}).Check(t.Context(), mail)
	require.ErrorIs(t, err, errDisk)
	_, err = (&arc.Checker{}).Check(t.Context(), &checks.Mail{})
	require.Error(t, err)
}

// An old chain whose signature has expired, or is of tomorrow, does not pass.
func TestTimes(t *testing.T) {
	mail, zone := load(t, "one")
	before := func() time.Time { return time.Unix(1600000000, 0) }
	r := check(t, &arc.Checker{Resolver: zone, Now: before}, mail)
	require.Equal(t, checks.Fail, r.Verdict)
	require.Equal(t, "message signature 1: signed in the future", r.Reason)
}

func FuzzCheck(f *testing.F) {
	mail, zone := load(f, "two")
	f.Add(mailsuite.Header(mail))
	f.Add([]byte("ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.b; s=c; b=AAAA\r\n\r\n"))
	f.Fuzz(func(t *testing.T, header []byte) {
		results, err := (&arc.Checker{Resolver: zone}).Check(t.Context(),
			&checks.Mail{Header: header, Body: bytes.NewReader(header)})
		require.NoError(t, err)
		require.Len(t, results, 1)
	})
}

func BenchmarkCheck(b *testing.B) {
	for _, name := range []string{"none", "one", "three-algorithms"} {
		b.Run(name, func(b *testing.B) {
			mail, zone := load(b, name)
			checker := &arc.Checker{Resolver: zone}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := checker.Check(b.Context(), mailOf(mail)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
