package testserver_test

import (
	"errors"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/testserver"
)

// fakeT records what happens to a test instead of ending this one.
type fakeT struct {
	testing.TB
	skipped, failed string
}

func (f *fakeT) Helper() {}
func (f *fakeT) Skipf(format string, args ...any) {
	f.skipped = strings.ReplaceAll(format, "%s", args[0].(string))
}
func (f *fakeT) Fatalf(format string, args ...any) {
	f.failed = strings.ReplaceAll(format, "%s", args[0].(string))
}

func TestNeed(t *testing.T) {
	t.Setenv(testserver.RequireEnv, "")
	f := &fakeT{TB: t}
	testserver.Need(f, "sh", "no-such-server")
	require.Equal(t, "not installed: no-such-server", f.skipped)
	t.Setenv(testserver.RequireEnv, "1")
	f = &fakeT{TB: t}
	testserver.Need(f, "sh")
	require.Empty(t, f.failed)
	testserver.Need(f, "no-such-server")
	require.Equal(t, "not installed: no-such-server", f.failed)
}

func TestProcess(t *testing.T) {
	p := testserver.Start(t, testserver.Command{Program: "sh", Args: []string{"-c", "echo $WORD; sleep 100 & wait"},
		Env: []string{"WORD=hello"}})
	require.Eventually(t, func() bool { return p.Log() == "hello\n" }, 10*time.Second, 5*time.Millisecond)
	p.Kill()
	<-p.Done()
	p.Kill()

	_, err := testserver.TryStart(t, testserver.Command{Program: "sh", Args: []string{"-c", "echo broken; exit 3"},
		Ready: func() error { return errors.New("no") }})
	require.ErrorContains(t, err, "ended before it was ready: exit status 3")
	require.ErrorContains(t, err, "broken")
	_, err = testserver.TryStart(t, testserver.Command{Program: "sleep", Args: []string{"100"},
		Ready: func() error { return errors.New("still no") }, Within: 50 * time.Millisecond})
	require.ErrorContains(t, err, "not ready after 50ms: still no")
}

func TestFreePort(t *testing.T) {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(testserver.FreePort(t))))
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

func TestZone(t *testing.T) {
	address := testserver.DNS(t, testserver.Zone(t,
		"a.example. CNAME b.example.\nb.example. A 192.0.2.1\nexample. SOA a. b. 1 2 3 4 5\n"))
	for _, network := range []string{"udp", "tcp"} {
		client := dns.Client{Net: network}
		answer, _, err := client.Exchange(new(dns.Msg).SetQuestion("A.example.", dns.TypeA), address)
		require.NoError(t, err)
		require.Len(t, answer.Answer, 2)
		answer, _, err = client.Exchange(new(dns.Msg).SetQuestion("b.example.", dns.TypeMX), address)
		require.NoError(t, err)
		require.Equal(t, dns.RcodeSuccess, answer.Rcode)
		require.Len(t, answer.Ns, 1)
		answer, _, err = client.Exchange(new(dns.Msg).SetQuestion("c.example.", dns.TypeA), address)
		require.NoError(t, err)
		require.Equal(t, dns.RcodeNameError, answer.Rcode)
	}
}

func TestPathOfServers(t *testing.T) {
	require.Empty(t, testserver.Find("no-such-server"))
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	require.Equal(t, sh, testserver.Find("sh"))
}
