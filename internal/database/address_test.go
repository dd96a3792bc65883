package database

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAddress(t *testing.T) {
	server := func(scheme, user, pass, host string, port int, name string) Address {
		return Address{Scheme: scheme, User: user, Password: pass, Hosts: []Host{{host, port}}, Name: name,
			Params: map[string]string{}}
	}
	two := server("postgresql", "u", "p", "a", 0, "n")
	two.Hosts = append(two.Hosts, Host{"b", 6543})
	withParams := server("postgresql", "u", "", "h", 0, "n")
	withParams.Params = map[string]string{"sslmode": "verify-full", "sslrootcert": "/etc/my ca.pem"}
	socket := server("mysql", "u", "", "", 0, "n")
	socket.Params = map[string]string{"socket": "/run/mysqld/mysqld.sock"}
	for text, want := range map[string]Address{
		"sqlite:///var/lib/mtad/settings.db": {Scheme: "sqlite", Path: "/var/lib/mtad/settings.db"},
		"SQLite://relative/a#b%20c@d:e.db":   {Scheme: "sqlite", Path: "relative/a#b%20c@d:e.db"},
		"sqlite://:memory:":                  {Scheme: "sqlite", Path: ":memory:"},
		"postgres://u:p@h/n":                 server("postgresql", "u", "p", "h", 0, "n"),
		"postgresql://u:p@h:5433/n":          server("postgresql", "u", "p", "h", 5433, "n"),
		"postgresql://h/n":                   server("postgresql", "", "", "h", 0, "n"),
		"postgresql:///n":                    server("postgresql", "", "", "", 0, "n"),
		"postgresql://u:p@a,b:6543/n":        two,
		"postgresql://u@h/n?sslmode=verify-full&sslrootcert=/etc/my%20ca.pem": withParams,
		"mysql://u:p@ss/w:o#r%d@[2001:db8::1]:3307/n": server("mysql", "u", "p@ss/w:o#r%d",
			"2001:db8::1", 3307, "n"),
		"mysql://u:p%40%2Fs@h/n":                      server("mysql", "u", "p@/s", "h", 0, "n"),
		"mysql://u:50%@h/n":                           server("mysql", "u", "50%", "h", 0, "n"),
		"mysql://u:what?@h/n":                         server("mysql", "u", "what?", "h", 0, "n"),
		"mysql://u@/n?socket=/run/mysqld/mysqld.sock": socket,
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

// FuzzAddress looks for panics, for addresses that both drivers' configurations lose something of, and for passwords in
// what is shown.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"sqlite:///a.db", "postgres://u:p@h:1,[::1]:2/n?sslmode=disable",
		"mysql://u:a@b/c?d@h:3306/n?tls=true", "mysql://%zz:%00@h/%2f"} {
		f.Add(seed, "secret-word")
	}
	f.Fuzz(func(t *testing.T, text, password string) {
		text = strings.Replace(text, "p@", password+"@", 1)
		a, err := Parse(text)
		if err != nil {
			if len(password) > 12 && strings.Contains(text, password) && !strings.Contains(text, "?") {
				require.NotContains(t, err.Error(), password)
			}
			return
		}
		if a.Scheme == "sqlite" {
			require.NotEmpty(t, a.Path)
			return
		}
		require.NotEmpty(t, a.Hosts)
		require.NotEmpty(t, a.Name)
		if a.Scheme == "mysql" {
			if cfg, err := MySQLConfig(a); err == nil {
				require.Equal(t, a.Password, cfg.Passwd)
				require.Equal(t, a.Name, cfg.DBName)
			}
			return
		}
		if cfg, err := PostgresConfig(a); err == nil {
			require.Equal(t, a.Name, cfg.Database)
			if a.Password != "" {
				require.Equal(t, a.Password, cfg.Password)
			}
			if a.User != "" {
				require.Equal(t, a.User, cfg.User)
			}
		}
	})
}
