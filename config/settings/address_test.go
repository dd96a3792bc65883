package settings

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAddress(t *testing.T) {
	server := func(scheme, user, pass, host string, port int, name string) address {
		return address{scheme: scheme, user: user, pass: pass, hosts: []hostPort{{host, port}}, dbname: name, params: map[string]string{}}
	}
	two := server("postgresql", "u", "p", "a", 0, "n")
	two.hosts = append(two.hosts, hostPort{"b", 6543})
	withParams := server("postgresql", "u", "", "h", 0, "n")
	withParams.params = map[string]string{"sslmode": "verify-full", "sslrootcert": "/etc/my ca.pem"}
	socket := server("mysql", "u", "", "", 0, "n")
	socket.params = map[string]string{"socket": "/run/mysqld/mysqld.sock"}
	for text, want := range map[string]address{
		"sqlite:///var/lib/mtad/settings.db": {scheme: "sqlite", path: "/var/lib/mtad/settings.db"},
		"SQLite://relative/a#b%20c@d:e.db":   {scheme: "sqlite", path: "relative/a#b%20c@d:e.db"},
		"sqlite://:memory:":                  {scheme: "sqlite", path: ":memory:"},
		"postgres://u:p@h/n":                 server("postgresql", "u", "p", "h", 0, "n"),
		"postgresql://u:p@h:5433/n":          server("postgresql", "u", "p", "h", 5433, "n"),
		"postgresql://h/n":                   server("postgresql", "", "", "h", 0, "n"),
		"postgresql:///n":                    server("postgresql", "", "", "", 0, "n"),
		"postgresql://u:p@a,b:6543/n":        two,
		"postgresql://u@h/n?sslmode=verify-full&sslrootcert=/etc/my%20ca.pem": withParams,
		"mysql://u:p@ss/w:o#r%d@[2001:db8::1]:3307/n":                         server("mysql", "u", "p@ss/w:o#r%d", "2001:db8::1", 3307, "n"),
		"mysql://u:p%40%2Fs@h/n":                                              server("mysql", "u", "p@/s", "h", 0, "n"),
		"mysql://u:50%@h/n":                                                   server("mysql", "u", "50%", "h", 0, "n"),
		"mysql://u:what?@h/n":                                                 server("mysql", "u", "what?", "h", 0, "n"),
		"mysql://u@/n?socket=/run/mysqld/mysqld.sock":                         socket,
	} {
		got, err := parseAddress(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestParseAddressErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                           "has to start with sqlite://, postgresql:// or mysql://",
		"/var/lib/settings.db":                       "has to start with",
		"mariadb://hunter2@h/n":                      "has to start with",
		"sqlite://":                                  "path of a file",
		"sqlite:///var/lib/":                         "not a directory",
		"sqlite:///a.db?cache=shared":                "takes no parameters",
		"sqlite:///a\x00b":                           "control character",
		"mysql://u:hunter2@h":                        "has to name a database",
		"mysql://u:hunter2@h/":                       "has to name a database",
		"mysql://u:hunter2@h/a/b":                    "has to name a database",
		"mysql://u:hunter2@h:smtp/n":                 "port is not a number",
		"mysql://u:hunter2/n":                        "port is not a number",
		"mysql://u:hunter2@h:70000/n":                "port is not a number",
		"mysql://u:hunter2@2001:db8::1/n":            "the host is not understood",
		"mysql://u:hunter2@[zz]/n":                   "not an IPv6 address",
		"mysql://u:hunter2@a,b/n":                    "takes one host",
		"mysql://u:hunter2@h/n?tlss=true":            `unknown parameter "tlss"; known are socket, tls`,
		"mysql://u:hunter2@h/n?tls":                  "parameter tls has no value",
		"mysql://u:hunter2@h/n?tls=a&tls=b":          "given twice",
		"mysql://u:x@y/n?hunter2@h/n":                "is not understood",
		"mysql://u:hunter2@h/n?tls=maybe":            "tls is not true",
		"postgresql://u:hunter2@h/n?sslmode=perhaps": "the driver does not take it",
	} {
		_, err := Open(t.Context(), text, Options{})
		var wrong *AddressError
		require.ErrorAs(t, err, &wrong, text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "hunter2", text)
	}
}

// FuzzAddress looks for panics, for addresses that both drivers' configurations lose something of, and for passwords in
// what is shown.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"sqlite:///a.db", "postgres://u:p@h:1,[::1]:2/n?sslmode=disable", "mysql://u:a@b/c?d@h:3306/n?tls=true", "mysql://%zz:%00@h/%2f"} {
		f.Add(seed, "secret-word")
	}
	f.Fuzz(func(t *testing.T, text, password string) {
		text = strings.Replace(text, "p@", password+"@", 1)
		a, err := parseAddress(text)
		if err != nil {
			if len(password) > 12 && strings.Contains(text, password) && !strings.Contains(text, "?") {
				require.NotContains(t, err.Error(), password)
			}
			return
		}
		if a.scheme == "sqlite" {
			require.NotEmpty(t, a.path)
			return
		}
		require.NotEmpty(t, a.hosts)
		require.NotEmpty(t, a.dbname)
		if a.scheme == "mysql" {
			if cfg, err := mysqlConfig(a); err == nil {
				require.Equal(t, a.pass, cfg.Passwd)
				require.Equal(t, a.dbname, cfg.DBName)
			}
			return
		}
		if cfg, err := postgresConfig(a); err == nil {
			require.Equal(t, a.dbname, cfg.Database)
			if a.pass != "" {
				require.Equal(t, a.pass, cfg.Password)
			}
			if a.user != "" {
				require.Equal(t, a.user, cfg.User)
			}
		}
	})
}
