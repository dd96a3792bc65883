package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluicemail/sluice/auth"
	"github.com/sluicemail/sluice/auth/authtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ask(t *testing.T, backend auth.Authenticator, name, password string) error {
	t.Helper()
	return backend.Authenticate(t.Context(), auth.Login{Username: name, Password: password})
}

// logbook collects what is logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestLoginMasksThePassword(t *testing.T) {
	login := auth.Login{Username: "alice", Password: "secret-secret", Client: netip.MustParseAddrPort("192.0.2.1:25"),
		Service: "smtp"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text := fmt.Sprintf(verb, login) + fmt.Sprintf(verb, &login) + fmt.Sprintf(verb, []auth.Login{login})
		require.NotContains(t, text, login.Password, verb)
		require.NotContains(t, text, fmt.Sprintf("%x", login.Password), verb)
	}
	require.Equal(t, "alice:******** from 192.0.2.1:25", login.String())
	require.Equal(t, "alice:********", auth.Login{Username: "alice", Password: "x"}.String())
}

func TestHardcodedExam(t *testing.T) {
	authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) {
		accounts := map[string]string{"alice": "Sesam:öffne,dich", "b%b:": "hunter2-hunter2", "*": "star-password"}
		return auth.Hardcoded(accounts), accounts
	})
}

func TestHardcodedKnowsNobodyWithoutNameOrPassword(t *testing.T) {
	h := auth.Hardcoded(map[string]string{"": "x", "alice": ""})
	require.ErrorIs(t, ask(t, h, "", "x"), auth.ErrRejected)
	require.ErrorIs(t, ask(t, h, "alice", ""), auth.ErrRejected)
	require.ErrorIs(t, ask(t, auth.Hardcoded(nil), "a", "b"), auth.ErrRejected)
}

func TestParseHardcoded(t *testing.T) {
	for _, c := range []struct {
		in   string
		want map[string]string
	}{
		{"user:pass", map[string]string{"user": "pass"}},
		{"user:pass,user2:pass2", map[string]string{"user": "pass", "user2": "pass2"}},
		{"user:pass,user2,pass2", map[string]string{"user": "pass", "user2": "pass2"}}, // MailerQ's example
		{"a,b", map[string]string{"a": "b"}},
		{"a,b,c:d,e,f", map[string]string{"a": "b", "c": "d", "e": "f"}},
		{"me%40example.com:a%3Ab%2cc%2F%25", map[string]string{"me@example.com": "a:b,c/%"}},
		{"me@example.com:a/b?c#d", map[string]string{"me@example.com": "a/b?c#d"}},
		{"user:100%,b:%zz%4", map[string]string{"user": "100%", "b": "%zz%4"}},
		{"user:%20two words%20", map[string]string{"user": " two words "}},
		{"ü:ß", map[string]string{"ü": "ß"}},
	} {
		got, err := auth.ParseHardcoded(c.in)
		require.NoError(t, err, c.in)
		require.Equal(t, c.want, got, c.in)
	}
}

func TestParseHardcodedRefusesWhatIsAmbiguous(t *testing.T) {
	for in, says := range map[string]string{
		"":                 "no accounts",
		"sesame":           "entry 1: the password of a user is missing",
		"sesame,a:b":       "entry 1: the password of a user is missing",
		"a:b,sesame":       "entry 2: the password of a user is missing",
		"a:b,c,sesame,e":   "entry 4: the password of a user is missing",
		"a:sesame:c":       "entry 1: there are two colons",
		"a:b,c,d:sesame:e": "entry 2: the password of a user is missing",
		"a:b,":             "entry 2: there is nothing",
		",a:b":             "entry 1: there is nothing",
		"a,,sesame":        "entry 2: there is nothing",
		"a:,b:sesame":      "entry 1: name or password is empty",
		":sesame":          "entry 1: name or password is empty",
		"a:sesame, b:c":    "entry 2: there is a space",
		"a:sesame ":        "entry 1: there is a space",
		"a:sesame,a:b":     "entry 2: the same user comes twice",
		"a:sesame,%61:b":   "entry 2: the same user comes twice",
		"a:sesame,b, c":    "entry 3: there is a space",
	} {
		_, err := auth.ParseHardcoded(in)
		require.ErrorContains(t, err, says, in)
		require.NotContains(t, err.Error(), "sesame", in)
	}
}

func FuzzParseHardcoded(f *testing.F) {
	for _, in := range []string{"user:pass,user2,pass2", "a:b,c:d", "%3A:%2C", "a,,b", "a:%"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		accounts, err := auth.ParseHardcoded(in)
		if err != nil {
			return
		}
		h := auth.Hardcoded(accounts)
		for name, password := range accounts {
			if err := h.Authenticate(context.Background(), auth.Login{Username: name, Password: password}); err != nil {
				t.Fatalf("%q does not let %q in with %q: %v", in, name, password, err)
			}
		}
	})
}

func TestAny(t *testing.T) {
	yes := auth.Hardcoded(map[string]string{"alice": "sesame"})
	no := auth.Hardcoded(map[string]string{"bob": "hunter2"})
	down, gone := errors.New("down"), errors.New("gone")
	unsure := func(err error) auth.Authenticator {
		return auth.Func(func(context.Context, auth.Login) error { return err })
	}
	wrapped := unsure(fmt.Errorf("ldap: %w", auth.ErrRejected))

	require.NoError(t, ask(t, auth.Any(no, yes), "alice", "sesame"))
	require.NoError(t, ask(t, auth.Any(unsure(down), yes), "alice", "sesame"))
	require.NoError(t, ask(t, auth.Any(yes, unsure(down)), "alice", "sesame"))
	require.ErrorIs(t, ask(t, auth.Any(no, wrapped), "alice", "sesame"), auth.ErrRejected)
	require.ErrorIs(t, ask(t, auth.Any(), "alice", "sesame"), auth.ErrRejected)

	err := ask(t, auth.Any(wrapped, unsure(down), no, unsure(gone)), "alice", "wrong")
	require.ErrorIs(t, err, down)
	require.ErrorIs(t, err, gone)
	require.NotErrorIs(t, err, auth.ErrRejected)
}

func TestAnyStopsWhenTheClientIsGone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	first := auth.Func(func(context.Context, auth.Login) error { cancel(); return auth.ErrRejected })
	second := auth.Func(func(context.Context, auth.Login) error { t.Error("asked for nobody"); return nil })
	err := auth.Any(first, second).Authenticate(ctx, auth.Login{Username: "a", Password: "b"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestWrappersPassTheExam(t *testing.T) {
	accounts := map[string]string{"alice": "Sesam:öffne,dich", "bob": "hunter2-hunter2"}
	for name, backend := range map[string]auth.Authenticator{
		"any":   auth.Any(auth.Hardcoded(map[string]string{"alice": accounts["alice"]}), auth.Hardcoded(accounts)),
		"cache": &auth.Cache{Backend: auth.Hardcoded(accounts)},
		"limit": &auth.Limit{Backend: auth.Hardcoded(accounts), Free: 100_000},
		"all":   &auth.Limit{Free: 100_000, Backend: &auth.Cache{Backend: auth.Any(auth.Hardcoded(accounts))}},
	} {
		t.Run(name, func(t *testing.T) {
			authtest.Run(t, func(t *testing.T) (auth.Authenticator, map[string]string) { return backend, accounts })
		})
	}
}
