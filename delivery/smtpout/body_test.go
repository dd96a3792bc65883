package smtpout_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"mime/quotedprintable"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/queue"
	"github.com/sluicemail/sluice/throttle"
)

// deliverBody sends one body to a remote with the given extensions and returns the outcome and what arrived.
func deliverBody(t require.TestingT, body queue.Body, extensions string) (*delivery.Transaction, string) {
	return deliverTx(t, transactions(1, body)[0], extensions)
}

func deliverTx(t require.TestingT, tx *delivery.Transaction, extensions string) (*delivery.Transaction, string) {
	client, server := newMemPipe(0)
	defer client.Close()
	arrived := make(chan string, 1)
	go func() {
		defer server.Close()
		defer close(arrived)
		r := bufio.NewReaderSize(server, 1<<16)
		io.WriteString(server, "220 mx\r\n")
		r.ReadString('\n')
		io.WriteString(server, "250-mx\r\n250-"+extensions+"\r\n250 PIPELINING\r\n")
		for range 3 {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
		io.WriteString(server, "250 ok\r\n250 ok\r\n354 go\r\n")
		if mail, err := readMail(r); err == nil {
			arrived <- mail
			io.WriteString(server, "250 ok\r\n")
		}
		io.Copy(io.Discard, r)
	}()
	sender := smtpout.Sender{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
		return client,
			nil
	}}
	limit := 20 * time.Second
	conn, err := sender.Open(context.Background(),
		&delivery.Hop{Timeouts: throttle.Timeouts{Command: limit, Data: limit, Message: limit}})
	require.NoError(t, err)
	conn.Deliver(context.Background(), tx, nil)
	conn.Close()
	client.Close()
	return tx, <-arrived
}

// ended makes each lone CR and LF a line end.
var ended = strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n")

// proper is the mail as RFC 5321 wants it: lone CRs and LFs are line ends, the last line is ended.
func proper(mail []byte) string {
	text := ended.Replace(string(mail))
	if text != "" && !strings.HasSuffix(text, "\r\n") {
		text += "\r\n"
	}
	return text
}

// ranged is a body that can only be read piece by piece.
type ranged struct{ *bytes.Reader }

// TestAnyBodyArrives sends mails made of what is dangerous, in memory and in pieces, to a strict reader.
func TestAnyBodyArrives(t *testing.T) {
	pieces := []string{".", "..", "\r\n", "\n", "\r", "\r\n.\r\n", "\n.\n", "\r.\r", "x", "MAIL FROM:<a@b>\r\n", "\x00",
		"é", strings.Repeat("y", 1200)}
	rapid.Check(t, func(t *rapid.T) {
		mail := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 30).Draw(t, "mail"), "")
		if pad := rapid.IntRange(-8, 8).Draw(t, "pad"); rapid.IntRange(0, 9).Draw(t, "large") == 0 {
			// about the border between two pieces
			mail = strings.Repeat("z", 64<<10-len(mail)+pad) + mail + "\r\n" + mail
		}
		var body queue.Body = queue.Bytes(mail)
		if rapid.Bool().Draw(t, "in pieces") {
			body = ranged{bytes.NewReader([]byte(mail))}
		}
		tx, got := deliverBody(t, body, "8BITMIME")
		require.True(t, tx.Result.Success(), tx.Result.Description)
		require.Equal(t, proper([]byte(mail)), got)
		require.EqualValues(t, len(ended.Replace(mail)), tx.Result.Sent.Data)
	})
}

func TestBodyInAFile(t *testing.T) {
	mail := []byte(strings.Repeat(".line of a large mail\r\n", 50_000))
	path := filepath.Join(t.TempDir(), "mail")
	require.NoError(t, os.WriteFile(path, mail, 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	tx, got := deliverBody(t, io.NewSectionReader(f, 0, int64(len(mail))), "8BITMIME")
	require.True(t, tx.Result.Success())
	require.Equal(t, len(mail), len(got))
	require.Equal(t, string(mail), got)
	require.Greater(t, tx.Result.Sent.Connection, int64(len(mail)))
}

// faulty cannot be read from some offset on.
type faulty struct {
	size, from int64
	err        error
	reads      int
}

func (f *faulty) Size() int64 { return f.size }
func (f *faulty) ReadAt(p []byte, off int64) (int, error) {
	f.reads++
	if off+int64(len(p)) > f.from && f.reads > 20 {
		return 0, f.err
	}
	return len(p), nil
}

func TestBodyThatCannotBeRead(t *testing.T) {
	damage := &queue.DamageError{Reason: "its checksum does not match"}
	for name, body := range map[string]*faulty{
		"damaged":                 {size: 1 << 20, err: damage, reads: 100},
		"damaged within the mail": {size: 1 << 20, from: 1 << 19, err: damage, reads: 10},
		"small":                   {size: 100, err: errors.New("disk on fire"), reads: 100},
		"large":                   {size: 1 << 20, err: errors.New("disk on fire"), reads: 100},
		"within the mail":         {size: 1 << 20, from: 1 << 19, err: errors.New("disk on fire"), reads: 10},
		"shorter than said":       {size: 1 << 20, from: 1 << 19, err: io.EOF, reads: 10},
	} {
		t.Run(name, func(t *testing.T) {
			tx, got := deliverBody(t, body, "8BITMIME")
			require.Equal(t, queue.StateStorage, tx.Result.State)
			if body.err == damage {
				require.Equal(t, queue.Lost, tx.Result.Result)
				require.Equal(t, 554, tx.Result.Code, "trying again is no use")
			} else {
				require.Equal(t, queue.Error, tx.Result.Result)
				require.Less(t, tx.Result.Code, 500)
			}
			require.Contains(t, tx.Result.Description, "cannot be read")
			require.False(t, tx.Unsent)
			require.Empty(t, got, "no half a mail is delivered")
		})
	}
}

func TestNoBody(t *testing.T) {
	tx, _ := deliverBody(t, nil, "8BITMIME")
	require.Equal(t, queue.StateProcess, tx.Result.State)
	require.Equal(t, 554, tx.Result.Code)
}

func TestDownConversion(t *testing.T) {
	const simple = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	multipart := strings.ReplaceAll("MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"b\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n"+
		"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ncafé\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"+
		"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\xff\xfe\r\n--b--\r\nepilogue\r\n",
		"\r\n", "\r\n")
	for _, c := range []struct{ name, mail, want string }{
		{"text", simple + "café\r\n.dot\r\n",
			"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9\r\n.dot\r\n"},
		{"no MIME header", "Subject: x\r\n\r\ncaf\xe9\r\n",
			"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9\r\n"},
		{"multipart", multipart,
			"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"b\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\npreamble\r\n" +
				"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=C3=A9\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n" +
				"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n//4=\r\n\r\n--b--\r\nepilogue\r\n"},
		{"a mail in a mail", "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n" + simple + "é\r\n",
			"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n"},
		{"signed: as it is",
			"MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\né\r\n--b--\r\n", ""},
		{"only the header: as it is", "Subject: é\r\n\r\nx\r\n", ""},
		{"wrongly declared: as it is", "Content-Transfer-Encoding: base64\r\n\r\né\r\n", ""},
		{"broken content type: as it is", "Content-Type: ;;;\r\n\r\né\r\n", ""},
		{"ASCII: as it is", "Subject: x\r\n\r\nx=y\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.want
			if want == "" {
				want = c.mail
			}
			_, got := deliverBody(t, queue.Bytes(c.mail), "HELP")
			require.Equal(t, want, got)
			_, got = deliverBody(t, queue.Bytes(c.mail), "8BITMIME")
			require.Equal(t, c.mail, got, "8BITMIME: unchanged")
		})
	}
}

func FuzzDownConversion(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xff\r\n--b\r\n--b--"))
	f.Add([]byte("\r\n\xc3\xa9"))
	f.Fuzz(func(t *testing.T, mail []byte) {
		converted, ok := smtpout.DownConvert(mail)
		if !ok {
			return
		}
		again, ok := smtpout.DownConvert(converted)
		require.True(t, ok)
		require.Equal(t, string(converted), string(again), "it needs nothing any more")
		got := string(converted)
		if header, content, found := strings.Cut(got, "\r\n\r\n"); found && !strings.Contains(string(mail), "Content-") &&
			strings.Contains(header, "quoted-printable") {
			decoded, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(content)))
			require.NoError(t, err)
			require.True(t, bytes.HasSuffix([]byte(proper(mail)), []byte(proper(decoded))))
		}
	})
}
