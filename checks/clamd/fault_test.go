package clamd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/checks"
	"github.com/sluicemail/sluice/checks/checkstest"
	"github.com/sluicemail/sluice/checks/clamd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// talking returns a checker whose connections end at a function in memory.
func talking(serve func(net.Conn)) *clamd.Checker {
	return &clamd.Checker{Service: checks.Service{Address: "/clamd.ctl", Timeout: time.Minute,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				serve(theirs)
			}()
			return ours, nil
		}}}
}

// answering reads the stream to its end and says this.
func answering(text string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := readStream(conn); err == nil {
			_, _ = io.WriteString(conn, text)
		}
	}
}

// readStream reads the command and the pieces of a mail.
func readStream(conn net.Conn) (string, error) {
	command := make([]byte, len("zINSTREAM\x00"))
	if _, err := io.ReadFull(conn, command); err != nil {
		return "", err
	}
	var mail bytes.Buffer
	for {
		var length [4]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return "", err
		}
		n := binary.BigEndian.Uint32(length[:])
		if n == 0 {
			return mail.String(), nil
		}
		if _, err := io.CopyN(&mail, conn, int64(n)); err != nil {
			return "", err
		}
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer  string
		verdict checks.Verdict
		json    string
		reason  string
	}{
		"clean": {"stream: OK\x00", checks.Pass, `{"virus":"clean"}`, ""},
		"found": {"stream: Win.Test.EICAR_HDB-1 FOUND\x00", checks.Fail,
			`{"virus":"found","signature":"Win.Test.EICAR_HDB-1"}`, ""},
		"named OK": {"stream: OK FOUND\x00", checks.Fail, `{"virus":"found","signature":"OK"}`, ""},
		"too large": {"INSTREAM size limit exceeded. ERROR\x00", checks.PermError, `{"virus":"permerror"}`,
			"larger"},
		"cannot scan": {"stream: Can't allocate memory ERROR\x00", checks.TempError, `{"virus":"temperror"}`,
			"could not scan"},
		"no name":            {"stream:  FOUND\x00", checks.TempError, `{"virus":"temperror"}`, "nonsense"},
		"nothing":            {"", checks.TempError, `{"virus":"temperror"}`, "could not be asked"},
		"cut":                {"stream: O", checks.TempError, `{"virus":"temperror"}`, "could not be asked"},
		"cut behind OK":      {"stream: OK", checks.TempError, `{"virus":"temperror"}`, "could not be asked"},
		"another protocol":   {"HTTP/1.1 400 Bad Request\r\n\r\n\x00", checks.TempError, `{"virus":"temperror"}`, "nonsense"},
		"unknown command":    {"UNKNOWN COMMAND\x00", checks.TempError, `{"virus":"temperror"}`, "nonsense"},
		"a line without end": {strings.Repeat("x", 1<<20), checks.TempError, `{"virus":"temperror"}`, "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			checker := talking(answering(c.answer))
			results, err := checker.Check(context.Background(), mail("hello"))
			require.Len(t, results, 1)
			require.Equal(t, c.verdict, results[0].Verdict, "%v", err)
			require.Equal(t, c.json, string(results[0].JSON))
			require.Contains(t, results[0].Reason, c.reason)
			require.Equal(t, c.verdict == checks.TempError, err != nil, "%v", err)
		})
	}
}

// TestStream checks that a mail arrives as it was, whatever its size does to the pieces.
func TestStream(t *testing.T) {
	for _, size := range []int{0, 1, 65517, 65518, 65519, 65528, 65536, 131072, 300000} {
		text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		got := make(chan string, 1)
		checker := talking(func(conn net.Conn) {
			mail, err := readStream(conn)
			if err != nil {
				mail = err.Error()
			}
			got <- mail
			_, _ = io.WriteString(conn, "stream: OK\x00")
		})
		_, err := checker.Check(context.Background(), &checks.Mail{Body: strings.NewReader(text)})
		require.NoError(t, err)
		require.True(t, text == <-got, "size %d", size)
	}
}

// TestHanging asks one that never answers, and then the caller gives up.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checker := talking(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
		begin := time.Now()
		results, err := checker.Check(context.Background(), mail("hello"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, "clamd did not answer in time", results[0].Reason)
		require.Equal(t, time.Minute, time.Since(begin))
		require.False(t, checker.State().Up)

		checker = talking(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		results, err = checker.Check(ctx, mail("hello"))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, checks.TempError, results[0].Verdict)
		require.True(t, checker.State().Since.IsZero(), "the caller's impatience says nothing of clamd")
	})
}

// TestEarlyAnswer has clamd refuse in the middle of a mail, and hang up.
func TestEarlyAnswer(t *testing.T) {
	checker := talking(func(conn net.Conn) {
		_, _ = io.CopyN(io.Discard, conn, 1000)
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
	})
	results, err := checker.Check(context.Background(), mail(strings.Repeat("x", 1<<20)))
	require.Error(t, err)
	require.Equal(t, checks.TempError, results[0].Verdict)
}

type brokenBody struct{}

func (brokenBody) Size() int64                       { return 1000 }
func (brokenBody) ReadAt([]byte, int64) (int, error) { return 0, errors.New("bad sector") }

// TestBrokenBody has a mail that cannot be read: it is not clean, and clamd is not down.
func TestBrokenBody(t *testing.T) {
	checker := talking(answering("stream: OK\x00"))
	results, err := checker.Check(context.Background(), &checks.Mail{Body: brokenBody{}})
	require.ErrorContains(t, err, "bad sector")
	require.Equal(t, checks.TempError, results[0].Verdict)
	require.True(t, checker.State().Up)
}

func TestMaxSize(t *testing.T) {
	checker := talking(func(net.Conn) { t.Error("clamd was asked") })
	checker.MaxSize = 10
	results, err := checker.Check(context.Background(), mail("hello"))
	require.NoError(t, err)
	require.Equal(t, checks.PermError, results[0].Verdict)
}

func TestVersion(t *testing.T) {
	checker := talking(func(conn net.Conn) {
		_, _ = io.ReadFull(conn, make([]byte, len("zVERSION\x00")))
		_, _ = io.WriteString(conn, "ClamAV 1.4.3/27500/Fri Jan  2 10:35:22 2026\x00")
	})
	state, err := checker.Probe(context.Background())
	require.NoError(t, err)
	require.Equal(t, "ClamAV 1.4.3", state.Version)
	require.Equal(t, "27500", state.Data)
	require.Equal(t, time.Date(2026, 1, 2, 10, 35, 22, 0, time.UTC), state.Dated)
}

func TestExaminerWithoutServer(t *testing.T) {
	checkstest.Run(t, func(*testing.T) checks.Checker {
		return &clamd.Checker{Service: checks.Service{Address: "unix:///nowhere/clamd.ctl"}}
	})
}

func BenchmarkCheck(b *testing.B) {
	checker := talking(answering("stream: OK\x00"))
	m := mail(strings.Repeat("some text\r\n", 930))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := checker.Check(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}
