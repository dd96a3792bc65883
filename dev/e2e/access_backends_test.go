package e2e

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestBackEnds has each kind of back end, named by its URL, accept joe and nobody else.
func TestBackEnds(t *testing.T) {
	t.Parallel()
	const user, password = "joe", "se cret+1"
	for name, url := range map[string]func(t *testing.T) string{
		"hardcoded": func(*testing.T) string { return "hardcoded://ann:other,joe:" + password },
		"ldap": func(t *testing.T) string {
			return "ldap://" + directory(t, user, password).Address + "/" + testserver.LDAPBase
		},
		"starttls":   func(t *testing.T) string { return secureDirectory(t, user, password, "ldap") },
		"ldaps":      func(t *testing.T) string { return secureDirectory(t, user, password, "ldaps") },
		"radius":     func(t *testing.T) string { return radiusURL(t, user, password) },
		"http":       func(t *testing.T) string { return webLogin(t, user, password).URL + "/login" },
		"https":      func(t *testing.T) string { return secureWebLogin(t, user, password) },
		"file":       func(t *testing.T) string { return "file://" + passwordFile(t, user, password) },
		"exec":       func(t *testing.T) string { return "exec://" + loginProgram(t, user, password) },
		"older keys": func(*testing.T) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := mtatest.Settings{"smtp-auth": url(t)}
			if set["smtp-auth"] == "" {
				set = mtatest.Settings{"smtp-username": user, "smtp-password": password}
			}
			tryLogins(t, mtatest.Inside(t, mtatest.Kept.With(set)), user, password)
		})
	}
}

// TestLinuxUser logs in as a user of this machine, who has to be on the list.
func TestLinuxUser(t *testing.T) {
	t.Parallel()
	name := linuxUser(t, "geheim 17")
	tryLogins(t,
		mtatest.Start(t, mtatest.Kept.With(mtatest.Settings{"smtp-auth": "users://nobody," + name[:len(name)-1] + "*"})),
		name, "geheim 17")
	other := mtatest.Start(t, mtatest.Nowhere.With(mtatest.Settings{"smtp-auth": "users://somebodyelse"}))
	c := other.Talk(t)
	c.Command("EHLO client.test", 250)
	c.Login(name, "geheim 17", 535)
}

// tryLogins logs in with the right password, and tries others; a message bears the user's name.
func tryLogins(t testing.TB, d *mtatest.Daemon, user, password string) {
	t.Helper()
	c := d.Talk(t)
	c.Command("EHLO client.test", 250)
	for _, wrong := range []string{"", password + "x", "*"} {
		require.Contains(t, c.Login(user, wrong, 535), "5.7.8")
	}
	c.Login("nobody", password, 535)
	require.Contains(t, c.Login(user, password, 235), "2.7.0")
	c.Mail("a@client.test", "b@sink.test", mtatest.Letters, 250)
	c.Command("QUIT", 221)
	m := mtatest.Stored(t, d.Stopped(t), "inbox", 1)[0]
	require.Equal(t, user, m.Connection.User)
	require.NotContains(t, d.Log.String(), password)
}

// TestBackEndsThatCannotTell has back ends that are down, or fail: 454, and never a login.
func TestBackEndsThatCannotTell(t *testing.T) {
	t.Parallel()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
	t.Cleanup(broken.Close)
	for name, url := range map[string]string{
		"ldap":   "ldap://127.0.0.1:" + mtatest.FreePort(t) + "/" + testserver.LDAPBase,
		"radius": "radius://mx:secret@127.0.0.1:" + mtatest.FreePort(t) + "?timeout=1s",
		"http":   broken.URL,
		"exec":   "exec://" + script(t, "kill -9 $$"),
		"slow":   "exec://" + script(t, "exec sleep 60") + "?timeout=1s",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := mtatest.Inside(t, mtatest.Nowhere.With(mtatest.Settings{"smtp-auth": url})).Talk(t)
			c.Command("EHLO client.test", 250)
			require.Contains(t, c.Login("joe", "geheim", 454), "4.7.0")
			c.Command("MAIL FROM:<a@client.test>", 250)
			c.Command("RCPT TO:<b@sink.test>", 530)
		})
	}
}

// TestRADIUSWithAnotherSecret logs in to the console by way of a FreeRADIUS that has another secret for this client: it
// drops the request without a word, and whoever waits at the form is told soon, while the password is not judged.
func TestRADIUSWithAnotherSecret(t *testing.T) {
	t.Parallel()
	www := mtatest.FreePort(t)
	login := strings.Replace(radiusURL(t, "joe", "geheim"), testserver.RadiusSecret, "another", 1)
	d := mtatest.Inside(t, mtatest.Nowhere.With(mtatest.Settings{"www-ip": "127.0.0.1", "www-port": www, "www-auth": login}))
	began := time.Now()
	answer, err := http.PostForm("http://127.0.0.1:"+www+"/login", url.Values{"username": {"joe"}, "password": {"geheim"}})
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Less(t, time.Since(began), 8*time.Second, "it takes 4 s, on a machine at leisure")
	require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	page, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(page), "Your password was not judged")
	require.True(t, d.WaitLog(`msg="the login service of the console cannot be asked"`))
	require.Contains(t, d.Log.String(), "no answer")
	require.NotContains(t, d.Log.String(), "geheim")
	require.NotContains(t, d.Log.String(), "another")
}

// TestDirectoryRestarts stops the LDAP server between two logins.
func TestDirectoryRestarts(t *testing.T) {
	testserver.Need(t, "slapd")
	t.Parallel()
	server := directory(t, "joe", "geheim")
	c := mtatest.Inside(t,
		mtatest.Nowhere.With(mtatest.Settings{"smtp-auth": "ldap://" + server.Address + "/" + testserver.LDAPBase})).Talk(t)
	c.Command("EHLO client.test", 250)
	c.Login("joe", "wrong", 535)
	server.Stop()
	c.Login("joe", "geheim", 454)
	server.Start()
	c.Login("joe", "wrong", 535)
	c.Login("joe", "geheim", 235)
}

// TestWrongLoginSettings refuses a start with a login URL that makes no sense, and does not show what is in it.
func TestWrongLoginSettings(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"nosuch://joe:hunter2@host":              "nosuch",
		"hardcoded://hunter2":                    "hardcoded",
		"ldap://127.0.0.1/dc=test?hunter=1":      "hunter",
		"exec:///nowhere/login":                  "/nowhere/login",
		"radius://mx:hunter2@127.0.0.1?unknow=1": "unknow",
	} {
		p := mtatest.Launch(t, mtatest.Settings{"smtp-ip": "127.0.0.1", "smtp-port": mtatest.FreePort(t), "smtp-auth": url,
			"queue-address": "disk://" + t.TempDir() + "/queue"})
		require.Equal(t, 78, p.Exit(t, mtatest.Patience), url)
		require.Contains(t, p.Log.String(), "smtp-auth")
		require.Contains(t, p.Log.String(), want)
		require.NotContains(t, p.Log.String(), "hunter2")
	}
}

func directory(t testing.TB, user, password string) *testserver.LDAPServer {
	t.Helper()
	return testserver.OpenLDAP(t, testserver.LDAPUser(user, password))
}

func secureDirectory(t testing.TB, user, password, scheme string) string {
	t.Helper()
	server := directory(t, user, password)
	if scheme == "ldaps" {
		return "ldaps://" + server.TLSAddress + "/" + testserver.LDAPBase + "?ca=" + server.CAFile
	}
	return "ldap://" + server.Address + "/" + testserver.LDAPBase + "?starttls=1&ca=" + server.CAFile
}

func radiusURL(t testing.TB, user, password string) string {
	t.Helper()
	address := testserver.FreeRADIUS(t, testserver.RadiusConfig{Sign: true,
		Users: fmt.Sprintf("%s Cleartext-Password := %q\n", user, password)})
	return "radius://mx1:" + url.PathEscape(testserver.RadiusSecret) + "@" + address
}

// basic answers as a web application that knows one user.
func basic(user, password string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, secret, ok := r.BasicAuth(); !ok || name != user || secret != password {
			w.WriteHeader(http.StatusForbidden)
		}
	})
}

func webLogin(t testing.TB, user, password string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(basic(user, password))
	t.Cleanup(server.Close)
	return server
}

func secureWebLogin(t testing.TB, user, password string) string {
	t.Helper()
	server := httptest.NewTLSServer(basic(user, password))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return server.URL + "/login#ca=" + writeFile(t, "ca.pem", string(ca))
}

// passwordFile makes a file with hashes by the programs that users have.
func passwordFile(t testing.TB, user, password string) string {
	t.Helper()
	testserver.Need(t, "mkpasswd", "openssl")
	hash := testserver.Run(t, "mkpasswd", "-m", "yescrypt", password)
	other := testserver.Run(t, "openssl", "passwd", "-6", "other")
	return writeFile(t, "users.txt", "# who may send\nann:"+strings.TrimSpace(other)+"\n\nplain:plain\n"+user+":"+
		strings.TrimSpace(hash)+"\n")
}

// script makes an executable shell script.
func script(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "login.sh")
	// Written by another process: while a fork of this one has the file open, it could not be run.
	write := exec.Command("/bin/sh", "-c", `cat >"$1" && chmod 755 "$1"`, "sh", file)
	write.Stdin = strings.NewReader("#!/bin/sh\n" + text + "\n")
	require.NoError(t, write.Run())
	return file
}

func loginProgram(t testing.TB, user, password string) string {
	t.Helper()
	return script(t, fmt.Sprintf(`read -r user; read -r password; [ "$user" = '%s' ] && [ "$password" = '%s' ]`, user,
		password))
}

// linuxUser makes a user of this machine, who goes when the test ends.
func linuxUser(t testing.TB, password string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: no Linux user can be made")
	}
	testserver.Need(t, "useradd", "userdel", "mkpasswd")
	name := fmt.Sprintf("sluicee2e%d", os.Getpid())
	hash := strings.TrimSpace(testserver.Run(t, "mkpasswd", "-m", "sha-512", "-R", "1000", password))
	changeUsers(t, "useradd", "-M", "-N", "-s", "/usr/sbin/nologin", "-p", hash, name)
	t.Cleanup(func() { changeUsers(t, "userdel", name) })
	return name
}

// changeUsers runs a program that locks /etc/passwd, which others may hold at the moment.
func changeUsers(t testing.TB, program string, args ...string) {
	t.Helper()
	mtatest.Eventually(t, program, func() bool {
		out, err := exec.Command(testserver.Find(program), args...).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "try again later") {
			t.Errorf("%s: %v: %s", program, err, out)
			return true
		}
		return err == nil
	})
}
