package spamd_test

import (
	"bytes"
	"context"
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
	"github.com/sluicemail/sluice/checks/spamd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// talking returns a checker whose connections end at a function in memory.
func talking(serve func(net.Conn)) *spamd.Checker {
	return &spamd.Checker{Service: checks.Service{Address: "spamd.test:783", Timeout: time.Minute,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				serve(theirs)
			}()
			return ours, nil
		}}}
}

// answering reads the request to its end and says this.
func answering(text string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(conn)
		_, _ = io.WriteString(conn, text)
	}
}

// readRequest returns a request of at most a few KiB, whose mail ends in "END\r\n".
func readRequest(conn net.Conn) string {
	var all []byte
	buf := make([]byte, 4096)
	for !bytes.HasSuffix(all, []byte("END\r\n")) {
		n, err := conn.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			break
		}
	}
	return string(all)
}

func someMail() *checks.Mail {
	return &checks.Mail{Body: bytes.NewReader([]byte("Subject: x\r\n\r\nEND\r\n")), User: "kim"}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer  string
		verdict checks.Verdict
		want    string // the JSON, or a part of the reason
	}{
		"ham": {"SPAMD/1.1 0 EX_OK\r\nContent-length: 3\r\nSpam: False ; -1.25 / 5.0\r\n\r\nA,B",
			checks.Pass, `{"spam":"no","score":-1.25,"threshold":5,"symbols":["A","B"]}`},
		"spam": {"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 15 / 5\r\n\r\nA,B\r\n", checks.Fail,
			`{"spam":"yes","score":15,"threshold":5,"symbols":["A","B"]}`},
		"no symbols": {"SPAMD/1.1 0 EX_OK\r\nSpam: Yes ; 15 / 5\r\n\r\n", checks.Fail,
			`{"spam":"yes","score":15,"threshold":5,"symbols":[]}`},
		"try later":          {"SPAMD/1.0 75 EX_TEMPFAIL\r\n\r\n", checks.TempError, "spamd answered 75 EX_TEMPFAIL"},
		"nothing":            {"", checks.TempError, "could not be asked"},
		"cut in the status":  {"SPAMD/1.1 0", checks.TempError, "could not be asked"},
		"cut in the headers": {"SPAMD/1.1 0 EX_OK\r\nSpam: True", checks.TempError, "could not be asked"},
		"cut in the symbols": {"SPAMD/1.1 0 EX_OK\r\nContent-length: 30\r\nSpam: True ; 15 / 5\r\n\r\nA,B",
			checks.TempError, "could not be asked"},
		"another protocol":     {"HTTP/1.1 400 Bad Request\r\n\r\n", checks.TempError, "nonsense: HTTP/1.1 400 Bad Request"},
		"no verdict":           {"SPAMD/1.1 0 EX_OK\r\n\r\n", checks.TempError, "no verdict"},
		"a verdict of its own": {"SPAMD/1.1 0 EX_OK\r\nSpam: Maybe ; 1 / 5\r\n\r\n", checks.TempError, "no verdict"},
		"not a number":         {"SPAMD/1.1 0 EX_OK\r\nSpam: True ; nan / 5\r\n\r\n", checks.TempError, "no verdict"},
		"without end":          {"SPAMD/1.1 0 EX_OK\r\nSpam: True ; inf / 5\r\n\r\n", checks.TempError, "no verdict"},
		"far too much":         {"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 10000000 / 5\r\n\r\n", checks.TempError, "no verdict"},
		"odd symbols":          {"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 5\r\n\r\nA,<script>", checks.TempError, "no verdict"},
		"many symbols": {"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 5\r\n\r\n" + strings.Repeat("A,", 1001),
			checks.TempError, "no verdict"},
		"negative length": {"SPAMD/1.1 0 EX_OK\r\nContent-length: -1\r\nSpam: True ; 1 / 5\r\n\r\n", checks.TempError,
			"nonsense: Content-length"},
		"a line without end":  {strings.Repeat("x", 1<<20), checks.TempError, ""},
		"headers without end": {"SPAMD/1.1 0 EX_OK\r\n" + strings.Repeat("A: b\r\n", 1<<16), checks.TempError, ""},
		"symbols without end": {"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1 / 5\r\n\r\n" + strings.Repeat("A,", 1<<16),
			checks.TempError, "nonsense: more than"},
	} {
		t.Run(name, func(t *testing.T) {
			checker := talking(answering(c.answer))
			results, err := checker.Check(context.Background(), someMail())
			require.Len(t, results, 1)
			require.Equal(t, c.verdict, results[0].Verdict, "%v", err)
			if c.verdict == checks.TempError {
				require.Error(t, err)
				require.Contains(t, results[0].Reason, c.want)
				require.Equal(t, `{"spam":"temperror"}`, string(results[0].JSON))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, string(results[0].JSON))
			require.True(t, checker.State().Up)
		})
	}
}

func TestRequest(t *testing.T) {
	got := make(chan string, 1)
	checker := talking(func(conn net.Conn) {
		got <- readRequest(conn)
		_, _ = io.WriteString(conn, "SPAMD/1.1 0 EX_OK\r\nSpam: False ; 0 / 5\r\n\r\n")
	})
	checker.User = func(m *checks.Mail) string { return m.User }
	_, err := checker.Check(context.Background(), someMail())
	require.NoError(t, err)
	require.Equal(t, "SYMBOLS SPAMC/1.5\r\nContent-length: 19\r\nUser: kim\r\n\r\nSubject: x\r\n\r\nEND\r\n", <-got)
}

// TestBadUser has names that would become lines of their own, or fill the request.
func TestBadUser(t *testing.T) {
	checker := talking(func(net.Conn) { t.Error("spamd was asked") })
	for _, user := range []string{"a\r\nUser: b", "a\x00", strings.Repeat("a", 1025)} {
		checker.User = func(*checks.Mail) string { return user }
		results, err := checker.Check(context.Background(), someMail())
		require.ErrorContains(t, err, "cannot have a user")
		require.Equal(t, checks.TempError, results[0].Verdict)
		_, err = checker.Learn(context.Background(), someMail().Body, user, spamd.Spam)
		require.Error(t, err)
	}
	_, err := checker.Learn(context.Background(), nil, "", spamd.Ham)
	require.ErrorContains(t, err, "no mail")
	require.True(t, checker.State().Since.IsZero())
}

// TestHanging asks one that never answers, with one connection: the first caller waits for its time, and so does the
// second.
func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checker := talking(func(conn net.Conn) {
			readRequest(conn)
			_, _ = conn.Read(make([]byte, 1))
		})
		checker.Service.Connections = 1
		begin := time.Now()
		first := make(chan checks.Result)
		go func() {
			results, _ := checker.Check(context.Background(), someMail())
			first <- results[0]
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		results, err := checker.Check(ctx, someMail())
		require.ErrorIs(t, err, checks.ErrBusy)
		require.Equal(t, "spamd is busy", results[0].Reason)
		require.Equal(t, 10*time.Second, time.Since(begin))
		r := <-first
		require.Equal(t, checks.TempError, r.Verdict)
		require.Equal(t, "spamd did not answer in time", r.Reason)
		require.Equal(t, time.Minute, time.Since(begin))
		require.False(t, checker.State().Up)
	})
}

// TestAbsent watches the state while spamd goes away and comes back.
func TestAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		there := false
		checker := talking(answering("SPAMD/1.1 0 EX_OK\r\nSpam: False ; 0 / 5\r\n\r\n"))
		dial := checker.Service.Dial
		checker.Service.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if !there {
				return nil, errors.New("connection refused")
			}
			return dial(ctx, network, address)
		}
		began := time.Now()
		for range 3 {
			results, err := checker.Check(context.Background(), someMail())
			require.ErrorContains(t, err, "connection refused")
			require.Equal(t, checks.TempError, results[0].Verdict)
			time.Sleep(time.Second)
		}
		state := checker.State()
		require.False(t, state.Up)
		require.Equal(t, began, state.Since)
		require.Contains(t, state.Problem, "connection refused")
		there = true
		_, err := checker.Check(context.Background(), someMail())
		require.NoError(t, err)
		state = checker.State()
		require.True(t, state.Up)
		require.Equal(t, began.Add(3*time.Second), state.Since)
		require.Empty(t, state.Problem)
	})
}

// TestDeaf talks to one that hangs up at once, and to one that answers without listening.
func TestDeaf(t *testing.T) {
	checker := talking(func(net.Conn) {})
	results, err := checker.Check(context.Background(), someMail())
	require.Error(t, err)
	require.Equal(t, checks.TempError, results[0].Verdict)
}

type brokenBody struct{}

func (brokenBody) Size() int64                       { return 1000 }
func (brokenBody) ReadAt([]byte, int64) (int, error) { return 0, errors.New("bad sector") }

// TestBrokenBody has a mail that cannot be read, which is not spamd's fault.
func TestBrokenBody(t *testing.T) {
	checker := talking(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	results, err := checker.Check(context.Background(), &checks.Mail{Body: brokenBody{}})
	require.ErrorContains(t, err, "bad sector")
	require.Equal(t, checks.TempError, results[0].Verdict)
	require.True(t, checker.State().Up)
}

func TestTooLarge(t *testing.T) {
	checker := talking(func(net.Conn) { t.Error("spamd was asked") })
	results, err := checker.Check(context.Background(), &checks.Mail{Body: bytes.NewReader(make([]byte, 512<<10+1))})
	require.NoError(t, err)
	require.Equal(t, checks.None, results[0].Verdict)
}

func TestExaminerWithoutServer(t *testing.T) {
	checkstest.Run(t, func(*testing.T) checks.Checker {
		return &spamd.Checker{Service: checks.Service{Address: "127.0.0.1:1"}}
	})
}

func BenchmarkCheck(b *testing.B) {
	checker := talking(answering("SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.5 / 5\r\n\r\nA_RULE,ANOTHER_RULE\r\n"))
	mail := &checks.Mail{Body: bytes.NewReader([]byte(strings.Repeat("some text\r\n", 930) + "END\r\n"))}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := checker.Check(b.Context(), mail); err != nil {
			b.Fatal(err)
		}
	}
}
