package testserver

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Spamd starts spamd with SpamAssassin's stock rules, without network tests, and with a Bayes filter that may be
// taught. It returns its address.
func Spamd(t testing.TB) string {
	t.Helper()
	address, _ := MortalSpamd(t)
	return address
}

// MortalSpamd is Spamd with its process, for tests that kill it.
func MortalSpamd(t testing.TB) (address string, p *Process) {
	t.Helper()
	return spamd(t, "--allow-tell")
}

// UnteachableSpamd is Spamd with a filter that may not be taught, as spamd is when nobody says otherwise.
func UnteachableSpamd(t testing.TB) string {
	t.Helper()
	address, _ := spamd(t)
	return address
}

func spamd(t testing.TB, options ...string) (address string, p *Process) {
	t.Helper()
	Need(t, "spamd")
	dir := shortTempDir(t)
	for _, name := range []string{dir, filepath.Join(dir, "bayes"), filepath.Join(dir, "home"),
		filepath.Join(dir, "site")} {
		if err := os.MkdirAll(name, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, 0o777); err != nil { // its children are nobody
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "site", "local.cf"),
		"required_score 5\nuse_bayes 1\nbayes_auto_learn 0\nuse_auto_whitelist 0\n"+
			"skip_rbl_checks 1\ndns_available no\nbayes_file_mode 0777\nbayes_path "+dir+"/bayes/db\n")
	var plugins strings.Builder
	for _, plugin := range []string{"MIMEEval", "BodyEval", "HeaderEval", "HTMLEval", "Check", "Bayes"} {
		plugins.WriteString("loadplugin Mail::SpamAssassin::Plugin::" + plugin + "\n")
	}
	writeFile(t, filepath.Join(dir, "site", "v.pre"), plugins.String())
	p, port := onFreePort(t, func(port int) (*Process, error) {
		args := []string{"-L", "-x", "-i", "127.0.0.1", "-A", "127.0.0.1", "-p", strconv.Itoa(port), "-m", "3",
			"--min-children=1",
			"-C", "/usr/share/spamassassin", "--siteconfigpath=" + dir + "/site", "-H", dir + "/home", "-r", dir + "/pid", "-s",
			"stderr"}
		if os.Geteuid() == 0 {
			args = append(args, "-u", "nobody")
		}
		return TryStart(t, Command{Program: "spamd", Args: append(args, options...), Env: []string{"HOME=" + dir + "/home"},
			Ready: says("tcp", loopback(port), "PING SPAMC/1.2\r\n\r\n", "PONG")})
	})
	return loopback(port), p
}

// The strings that the signatures of [Clamd] are made of. Neither is harmful.
const (
	Eicar     = `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`
	TestVirus = "THIS-IS-A-TEST-VIRUS-STRING"
)

// ClamdServer is a running clamd.
type ClamdServer struct {
	TCP  string // its address
	Unix string // the path of its socket
	// MaxSize is the largest mail it takes.
	MaxSize int64
	// Definitions is the directory of its signatures.
	Definitions string
	Process     *Process
}

// Clamd starts clamd with two signatures: Eicar-Test-Signature for [Eicar] and Sluice.TestVirus for [TestVirus].
func Clamd(t testing.TB) ClamdServer {
	t.Helper()
	Need(t, "clamd")
	dir := shortTempDir(t)
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "db", "test.ndb"),
		fmt.Sprintf("Eicar-Test-Signature:0:*:%x\nSluice.TestVirus:0:*:%x\n", Eicar, TestVirus))
	c := ClamdServer{Unix: filepath.Join(dir, "s"), MaxSize: 2 << 20, Definitions: filepath.Join(dir, "db")}
	var port int
	c.Process, port = onFreePort(t, func(port int) (*Process, error) {
		conf := filepath.Join(dir, "clamd.conf")
		writeFile(t, conf,
			fmt.Sprintf("Foreground yes\nDatabaseDirectory %[1]s/db\nTCPSocket %d\nTCPAddr 127.0.0.1\nLocalSocket %s\n"+
				"PidFile %[1]s/pid\nTemporaryDirectory %[1]s\nMaxThreads 4\nStreamMaxLength %[4]dM\nSelfCheck 0\n", dir, port,
				c.Unix, c.MaxSize>>20))
		return TryStart(t, Command{Program: "clamd", Args: []string{"--config-file=" + conf},
			Ready: says("unix", c.Unix, "zPING\x00", "PONG")})
	})
	c.TCP = loopback(port)
	return c
}

// says returns a function that sends a question and wants a word in the first line of the answer.
func says(network, address, question, word string) func() error {
	return func() error {
		conn, err := net.DialTimeout(network, address, time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		if _, err := conn.Write([]byte(question)); err != nil {
			return err
		}
		line, _ := bufio.NewReader(conn).ReadString('\n')
		if !strings.Contains(line, word) {
			return errors.New("it said " + strconv.Quote(line))
		}
		return nil
	}
}
