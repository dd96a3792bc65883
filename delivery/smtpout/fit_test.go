package smtpout_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/dkim"
	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/edit"
	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

// finisher edits and signs as the engine does.
type finisher struct{ signer sign.Signer }

func (f *finisher) Finish(tx *delivery.Transaction, fit func(queue.Body) (queue.Body, error)) error {
	body, err := edit.Finish(context.Background(), tx.Message)
	if err == nil && fit != nil {
		body, err = fit(body)
	}
	if err == nil {
		tx.Body, err = f.signer.Sign(context.Background(), tx.Message, body)
	}
	return err
}

// begun is a transaction as the engine begins it.
func (f *finisher) begun(t *testing.T, m *queue.Message) *delivery.Transaction {
	tx := &delivery.Transaction{Message: m, Finisher: f}
	require.NoError(t, f.Finish(tx, nil))
	return tx
}

// dns has the public half of one key.
type dns string

func (d dns) LookupTXT(context.Context, string) ([]string, error) { return []string{string(d)}, nil }

func newKey(t *testing.T) (queue.DKIM, dns) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return queue.DKIM{Domain: "example.com", Selector: "s",
			Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))},
		dns("v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public))
}

// verdicts are those of the signatures of a mail.
func verdicts(t *testing.T, mail string, keys dns) (list []checks.Verdict) {
	n, _ := mailheader.Length([]byte(mail), 0)
	results, err := (&dkim.Checker{Resolver: keys}).Check(t.Context(),
		&checks.Mail{Header: []byte(mail[:n]), Body: strings.NewReader(mail)})
	require.NoError(t, err)
	for _, r := range results {
		list = append(list, r.Verdict)
	}
	return list
}

// TestSignaturesHoldWhateverTheRemoteTakes signs mails that some remotes do not take, and verifies what these get.
func TestSignaturesHoldWhateverTheRemoteTakes(t *testing.T) {
	key, keys := newKey(t)
	const top = "From: a@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	mails := map[string]string{
		"eight bits": top + "Content-Transfer-Encoding: 8bit\r\n\r\ncaf\xc3\xa9\r\n.dot\r\n",
		"lone LFs":   top + "\r\none\ntwo\n.three\n", "lone CRs": top + "\r\none\rtwo\r\rthree",
		"both":        top + "\r\ncaf\xc3\xa9\nau\rlait\n",
		"plain":       top + "\r\nx\r\n",
		"a field too": "From: a@example.com\r\nSubject: caf\xc3\xa9\r\n\r\n\xe9\n",
		"large": top + "\r\n" + strings.Repeat("0123456789\r\n.", 20_000) + "\n" +
			strings.Repeat("\rx\xc3\xa9\n", 30_000),
	}
	for name, mail := range mails {
		for _, extensions := range []string{"8BITMIME", "HELP", "CHUNKING", "8BITMIME\r\n250-CHUNKING"} {
			for kind, body := range map[string]queue.Body{"memory": queue.Bytes(mail),
				"pieces": ranged{bytes.NewReader([]byte(mail))}} {
				t.Run(name+" "+extensions+" "+kind, func(t *testing.T) {
					m := &queue.Message{Recipient: "to@example.org", Body: body, DKIM: []queue.DKIM{key},
						Headers: &queue.HeaderEdits{Append: []queue.Field{{Name: "X-Added", Value: "yes"}}}}
					f := new(finisher)
					tx, got := deliverTx(t, f.begun(t, m), extensions)
					require.True(t, tx.Result.Success(), tx.Result.Description)
					require.Equal(t, []checks.Verdict{checks.Pass}, verdicts(t, got, keys))
					require.Contains(t, got, "X-Added: yes\r\n")
					require.NotContains(t, strings.ReplaceAll(got, "\r\n", ""), "\n")
					require.NotContains(t, strings.ReplaceAll(got, "\r\n", ""), "\r")
					_, content, _ := strings.Cut(got, "\r\n\r\n")
					if !strings.Contains(extensions, "8BITMIME") {
						require.True(t, ascii(content), "%q", content[:min(100, len(content))])
					} else {
						_, want, _ := strings.Cut(proper([]byte(mail)), "\r\n\r\n")
						require.Equal(t, want, content)
					}
				})
			}
		}
	}
}

func ascii(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 }) < 0
}

// TestAuthorsSignaturesAreNotBroken sends mail that another has signed to remotes that do not take it as it is.
func TestAuthorsSignaturesAreNotBroken(t *testing.T) {
	author, keys := newKey(t)
	ours, _ := newKey(t)
	ours.Selector = "ours"
	for name, mail := range map[string]string{
		"eight bits": "From: a@example.com\r\n\r\ncaf\xc3\xa9\r\n", "lone LF": "From: a@example.com\r\n\r\none\ntwo\r\n",
	} {
		signed, err := new(sign.Signer).Sign(t.Context(), &queue.Message{DKIM: []queue.DKIM{author}}, queue.Bytes(mail))
		require.NoError(t, err)
		text, err := queue.ReadBody(signed)
		require.NoError(t, err)
		f := new(finisher)
		m := &queue.Message{Recipient: "to@example.org", Body: queue.Bytes(text), DKIM: []queue.DKIM{ours}}
		tx, got := deliverTx(t, f.begun(t, m), "HELP")
		require.Equal(t, "554 5.6.3", tx.Text[:9], name)
		require.Empty(t, got)
		tx, got = deliverTx(t, f.begun(t, m), "8BITMIME")
		if name == "eight bits" {
			require.True(t, tx.Result.Success())
			require.Equal(t, checks.Pass, verdicts(t, got, keys)[1], "below ours")
		} else {
			require.Equal(t, "554 5.6.3", tx.Text[:9])
		}
	}
}

func TestFinisherThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"property": {&queue.PropertyError{Property: "dkim.key", Want: "a key", Got: "none"}, "process error 554"},
		"storage":  {io.ErrUnexpectedEOF, "storage error 451"},
	} {
		tx := &delivery.Transaction{Message: &queue.Message{Recipient: "to@example.org"}, Body: queue.Bytes("\r\n\xe9\r\n"),
			Finisher: failing{c.err}}
		tx, got := deliverTx(t, tx, "HELP")
		require.Equal(t, c.want, strings.Join([]string{string(tx.Result.State), string(tx.Result.Result), tx.Text[:3]}, " "),
			name)
		require.Empty(t, got)
	}
}

type failing struct{ err error }

func (f failing) Finish(*delivery.Transaction, func(queue.Body) (queue.Body, error)) error {
	return f.err
}

// TestLineEndsInPieces reads a mail whose lines are ended on the way from everywhere.
func TestLineEndsInPieces(t *testing.T) {
	border := strings.Repeat("x", 64<<10-1)
	for _, mail := range []string{"\n", "\r", border + "\r\nx", border + "\n\r\n", border[1:] + "\r\n\n" + border + "\r",
		border + "\r" + border + "\n\r"} {
		_, got := deliverBody(t, ranged{bytes.NewReader([]byte(mail))}, "8BITMIME")
		require.Equal(t, proper([]byte(mail)), got)
		body := smtpout.EndLines(ranged{bytes.NewReader([]byte(mail))})
		want := ended.Replace(mail)
		require.EqualValues(t, len(want), body.Size())
		for _, from := range []int{0, 1, len(want) / 2, 64<<10 - 1, 64 << 10, len(want) - 1} {
			if from > len(want) {
				continue
			}
			p := make([]byte, 100)
			n, err := body.ReadAt(p, int64(from))
			require.Equal(t, want[from:min(from+100, len(want))], string(p[:n]))
			require.Equal(t, n < len(p), err == io.EOF)
		}
	}
}
