package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLaterSourcesWin sets one key in more and more places.
func TestLaterSourcesWin(t *testing.T) {
	mailerq := write(t, "mailerq.txt", "smtp-timeout: 1\n")
	mtad := write(t, "mtad.txt", "\nsmtp-timeout: 2\n")
	named := write(t, "named.txt", "smtp-timeout: 3\n")
	tests := []struct {
		name   string
		src    Sources
		want   time.Duration
		origin string
	}{
		{"default", Sources{SystemFiles: []string{}}, 300, "default"},
		{"default without a file", Sources{SystemFiles: []string{}, NoFile: map[string]string{"smtp-timeout": "7"}}, 7,
			"default without a file"},
		{"system file", Sources{SystemFiles: []string{mailerq, "/nonexistent/config.txt"},
			NoFile: map[string]string{"smtp-timeout": "7"}}, 1, mailerq + ":1"},
		{"the stronger system file", Sources{SystemFiles: []string{mailerq, mtad}}, 2, mtad + ":2"},
		{"named file", Sources{SystemFiles: []string{mtad}, Args: []string{"--config-file", named}}, 3, named + ":1"},
		{"MAILERQ_ in the environment", Sources{SystemFiles: []string{mtad}, Args: []string{"--config-file=" + named},
			Environ: []string{"MAILERQ_SMTP_TIMEOUT=4"}},
			4, "environment MAILERQ_SMTP_TIMEOUT"},
		{"MTAD_ in the environment", Sources{SystemFiles: []string{mtad},
			Environ: []string{"MTAD_SMTP_TIMEOUT=5", "MAILERQ_SMTP_TIMEOUT=4"}},
			5, "environment MTAD_SMTP_TIMEOUT"},
		{"command line", Sources{SystemFiles: []string{mtad}, Environ: []string{"MTAD_SMTP_TIMEOUT=5"},
			Args: []string{"--smtp-timeout", "6"}},
			6, "command line --smtp-timeout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg, report, err := Load(test.src)
			require.NoError(t, err)
			require.Equal(t, test.want*time.Second, cfg.SMTPTimeout)
			require.Equal(t, test.origin, setting(t, report, "smtp-timeout").Origin.String())
		})
	}
}

func TestBothSystemFiles(t *testing.T) {
	mailerq, mtad := write(t, "mailerq.txt", "smtp-port: 26\nsmtp-range: 10.0.0.0/8"),
		write(t, "mtad.txt", "smtp-range: 127.0.0.1\n")
	cfg, report, err := Load(Sources{SystemFiles: []string{mailerq, mtad}})
	require.NoError(t, err)
	require.Equal(t, []int{25}, cfg.SMTPPort, "the other file must not be mixed in")
	require.Equal(t, []string{mtad}, report.Files)
	require.Len(t, report.Warnings, 1)
	require.Equal(t, mailerq+": not read: "+mtad+" takes its place", report.Warnings[0].String())
}

func TestNoFileAtAll(t *testing.T) {
	cfg, report, err := Load(Sources{SystemFiles: []string{}, NoFile: LoopbackDefaults(),
		Args: []string{"--smtp-port=2626"}})
	require.NoError(t, err)
	require.Empty(t, report.Files)
	require.Empty(t, report.Warnings)
	require.Equal(t, "127.0.0.1", cfg.SMTPIP[0].String())
	require.Equal(t, "127.0.0.1", cfg.WWWIP[0].String())
	require.Equal(t, []int{2626}, cfg.SMTPPort)
	require.False(t, report.Given("smtp-ip"))
	require.True(t, report.Given("smtp-port"))

	_, _, err = Load(Sources{SystemFiles: []string{}, NoFile: map[string]string{"smtp-prt": "1"}})
	require.ErrorContains(t, err, "smtp-prt: expected a known key")
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge")
	require.NoError(t, os.WriteFile(huge, []byte(strings.Repeat("#\n", maxFile)), 0o600))
	for name, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file or directory",
		dir:                        "is a directory",
		huge:                       "larger than 1 MiB",
	} {
		_, _, err := Load(Sources{SystemFiles: []string{}, Args: []string{"--config-file", name}})
		all := Errors(err)
		require.Len(t, all, 1)
		require.Equal(t, name, all[0].File)
		require.ErrorContains(t, err, want)
	}
	_, _, err := Load(Sources{SystemFiles: []string{dir}})
	require.ErrorContains(t, err, "is a directory", "the system's file may be missing, but not unreadable")
}

func TestAliases(t *testing.T) {
	cfg, _ := mustLoad(t, "smtp-defaultips: 1.2.3.4\ndatabase: sqlite:///x\nmax-deliver-time: 5\n")
	require.Equal(t, "1.2.3.4", cfg.SMTPDefaultIPs[0].String())
	require.Equal(t, "sqlite:///x", cfg.DatabaseAddress)
	require.Equal(t, 5*time.Second, cfg.MaxDeliverTime)

	_, _, err := load(t, "www-private-key: /k\n")
	require.ErrorContains(t, err, `www-privatekey: "/k": expected www-certificate to be set too`)

	cfg, _, err = Load(Sources{SystemFiles: []string{},
		Environ: []string{"MAILERQ_DATABASE=sqlite:///y", "MTAD_MAX_DELIVER_TIME=6"},
		Args:    []string{"--smtp-defaultips", "::1"}})
	require.NoError(t, err)
	require.Equal(t, "sqlite:///y", cfg.DatabaseAddress)
	require.Equal(t, 6*time.Second, cfg.MaxDeliverTime)
	require.Equal(t, "::1", cfg.SMTPDefaultIPs[0].String())
}

func TestEnvironment(t *testing.T) {
	cfg, report, err := Load(Sources{SystemFiles: []string{}, Environ: []string{
		"PATH=/bin", "MTAD_=x", "broken", "MAILERQ_USERNAME=u", "MAILERQ_PASSWORD=p",
		"MTAD_SMTP_RANGE=127.0.0.1", "MAILERQ_SMTP_PORT=26", "MTAD_SMTP_PORT=27", "MTAD_SMTP_PROT=28", "mtad_smtp_threads=3",
	}})
	require.NoError(t, err)
	require.Equal(t, []int{27}, cfg.SMTPPort)
	require.Zero(t, cfg.SMTPThreads)
	require.Equal(t, "environment MTAD_SMTP_PORT: smtp-port is also set by MAILERQ_SMTP_PORT: MTAD_SMTP_PORT wins\n"+
		"environment MTAD_SMTP_PROT: unknown key smtp-prot: did you mean smtp-port?\n", envWarnings(report))

	_, _, err = Load(Sources{SystemFiles: []string{}, Environ: []string{"MTAD_SMTP_PORT=tcp://10.0.0.1:25"}})
	require.EqualError(t, err,
		`environment MTAD_SMTP_PORT: smtp-port: "tcp://10.0.0.1:25": expected ports from 0 to 65535, with commas and ranges: 25,2525,1024-1026 (not "tcp://10.0.0.1:25")`)
}

func envWarnings(r *Report) string {
	var b strings.Builder
	for _, w := range r.Warnings {
		b.WriteString(w.String() + "\n")
	}
	return b.String()
}
