package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/smtptest"
	"github.com/sluicemail/sluice/internal/testserver"
)

// TestPackages makes the same packages twice, installs the one for Debian into a directory, has mtad start with the
// configuration that it brings and take and deliver a mail, upgrades and purges.
func TestPackages(t *testing.T) {
	t.Parallel()
	first, second := pack(t), pack(t)
	require.Len(t, first, 2)
	for name, data := range first {
		require.True(t, string(data) == string(second[name]), "%s differs when it is made again", name)
	}
	if os.Geteuid() != 0 {
		t.Skip("installing needs root")
	}
	testserver.Need(t, "dpkg", "systemd-sysusers", "systemd-tmpfiles")
	root := t.TempDir()
	deb := filepath.Join(root, "mtad.deb")
	for name, data := range first {
		if strings.HasSuffix(name, ".deb") {
			require.NoError(t, os.WriteFile(deb, data, 0o644))
		}
	}
	require.NoError(t, os.MkdirAll(root+"/etc", 0o755))
	for _, dir := range []string{"info", "updates", "triggers"} {
		require.NoError(t, os.MkdirAll(root+"/var/lib/dpkg/"+dir, 0o755))
	}
	require.NoError(t, os.WriteFile(root+"/var/lib/dpkg/status", nil, 0o644))

	dpkg(t, root, "--install", deb)
	require.Contains(t, read(t, root+"/etc/passwd"), "mtad:")
	requireMode(t, root+"/etc/mtad/config.txt", 0o640)
	requireMode(t, root+"/var/lib/mtad", os.ModeDir|0o750)
	requireMode(t, root+"/var/spool/mtad", os.ModeDir|os.ModeSetgid|os.ModeSticky|0o733)
	sendmail, err := os.Readlink(root + "/etc/alternatives/sendmail")
	require.NoError(t, err)
	require.Equal(t, "/usr/sbin/mtad-sendmail", sendmail)
	require.FileExists(t, root+"/usr/sbin/mtad-sendmail")
	takesMail(t, root)

	const edited = "smtp-port: 2526\n"
	require.NoError(t, os.WriteFile(root+"/etc/mtad/config.txt", []byte(edited), 0o640))
	queued, err := os.ReadDir(root + "/var/lib/mtad/queue")
	require.NoError(t, err)
	dpkg(t, root, "--install", deb)
	require.Equal(t, edited, read(t, root+"/etc/mtad/config.txt"), "an upgrade keeps the configuration")
	requireMode(t, root+"/etc/mtad/config.txt", 0o640)

	dpkg(t, root, "--purge", "mtad")
	for _, gone := range []string{"/etc/mtad", "/etc/logrotate.d", "/var/log/mtad", "/usr", "/etc/alternatives/sendmail"} {
		require.NoDirExists(t, root+gone)
		require.NoFileExists(t, root+gone)
	}
	left, err := os.ReadDir(root + "/var/lib/mtad/queue")
	require.NoError(t, err, "a purge leaves accepted mail")
	require.Len(t, left, len(queued))
}

// pack makes the packages, and returns them by their names.
func pack(t *testing.T) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("../../scripts/package.sh", dir, runtime.GOARCH, mtatest.Program()).CombinedOutput()
	require.NoError(t, err, "%s", out)
	all := map[string][]byte{}
	files, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	for _, file := range files {
		all[filepath.Base(file)] = []byte(read(t, file))
	}
	return all
}

// dpkg works on the packages of a directory, whose scripts it runs outside of it.
func dpkg(t *testing.T, root string, args ...string) {
	t.Helper()
	out, err := exec.Command("dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--force-confold",
		"--force-unsafe-io"},
		args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// takesMail starts what is installed in a directory, on other ports, and has a mail go through it.
func takesMail(t *testing.T, root string) {
	t.Helper()
	require.True(t, read(t, root+"/usr/bin/mtad") == read(t, mtatest.Program()),
		"the program that is tested is the one in the package")
	sink := mtatest.NewKeeper(t, &smtptest.Sink{})
	port := mtatest.FreePort(t)
	environ := []string{"MTAD_SMTP_PORT=" + port, "MTAD_WWW_PORT=0", "MTAD_DNS_SERVERS=127.0.0.1:1",
		"MTAD_QUEUE_ADDRESS=disk://" + root + "/var/lib/mtad/queue",
		"MTAD_DATABASE_ADDRESS=sqlite://" + root + "/var/lib/mtad/settings.db",
		"MTAD_SPOOL_DIRECTORY=" + root + "/var/spool/mtad", "MTAD_SEND_LOG_FILE=" + root + "/var/log/mtad/send.log",
		"MTAD_SEND_BIN_LOG_FILE=" + root + "/var/log/mtad/send.json",
		"MTAD_RECEIVED_LOG_FILE=" + root + "/var/log/mtad/received.log",
		"MTAD_RECEIVED_BIN_LOG_FILE=" + root + "/var/log/mtad/received.json"}
	for key, value := range sink.Settings() {
		environ = append(environ, "MTAD_"+strings.ToUpper(strings.ReplaceAll(key, "-", "_"))+"="+value)
	}
	p := mtatest.Run(t, environ, "--config-file", root+"/etc/mtad/config.txt")
	require.True(t, p.WaitLog("msg=listening"), p.Log.String())
	d := &mtatest.Daemon{Process: p, Addr: "127.0.0.1:" + port}
	d.Submit(t, "a@client.test", "b@here.test", mtatest.Letters)
	sink.Await(t, 1)
	d.Terminate(t)
	require.Contains(t, read(t, root+"/var/log/mtad/send.log"), "b@here.test")
}

func requireMode(t *testing.T, file string, mode os.FileMode) {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, mode, info.Mode(), file)
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(data)
}
