package auth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/auth"
)

func newMux() *auth.Mux {
	mux := new(auth.Mux)
	mux.Handle("hardcoded", auth.OpenHardcoded)
	mux.Handle("HTTP", auth.OpenHTTP)
	mux.Handle("https", auth.OpenHTTP)
	mux.Handle("exec", auth.OpenExec)
	return mux
}

func TestMuxHandsOnTheRawText(t *testing.T) {
	var mux auth.Mux
	var gotScheme, gotRest string
	mux.Handle("Raw", func(scheme, rest string) (auth.Authenticator, error) {
		gotScheme, gotRest = scheme, rest
		return auth.Hardcoded(nil), nil
	})
	for url, want := range map[string]string{
		"raw://a:b,c,d":            "a:b,c,d",
		"RAW:///a#b?c=%41":         "/a#b?c=%41",
		"raw://":                   "",
		"raw://x://y":              "x://y",
		"raw://uid=%,ou=ü,dc=\x00": "uid=%,ou=ü,dc=\x00",
	} {
		_, err := mux.Open(url)
		require.NoError(t, err)
		require.Equal(t, "raw", gotScheme)
		require.Equal(t, want, gotRest)
	}
}

func TestMuxOpens(t *testing.T) {
	mux := newMux()
	h, err := mux.Open("hardcoded://alice:sesame")
	require.NoError(t, err)
	require.NoError(t, ask(t, h, "alice", "sesame"))
	for _, url := range []string{"http://127.0.0.1:1/login", "https://127.0.0.1:1/login?a=b#timeout=2s",
		"exec:///bin/false", "exec:///bin/false?timeout=2&concurrent=3"} {
		_, err := mux.Open(url)
		require.NoError(t, err, url)
	}
}

func TestMuxRefuses(t *testing.T) {
	mux := newMux()
	for url, says := range map[string]string{
		"ldap://sesame@host":              `auth: there is no "ldap", expected is exec, hardcoded, http or https`,
		"":                                "no scheme",
		"sesame":                          "no scheme",
		"user:sesame":                     "no scheme",
		"user:sesame://x":                 "no scheme",
		"://sesame":                       "no scheme",
		"hardcoded:/a:sesame":             "no scheme",
		"hardcoded://a:b:sesame":          "auth: hardcoded: entry 1: there are two colons",
		"http://u:sesame@127.0.0.1/":      "user name",
		"http://":                         "no host",
		"http://%zz/sesame":               "cannot be read",
		"http://h/?q=sesame#tls=no":       `parameter "tls" is unknown: expected ca, timeout`,
		"http://h/#timeout=never":         "timeout",
		"http://h/#ca=/tmp/x":             "only https",
		"https://h/#ca=/nonexistent":      "no such file",
		"https://h/#ca=/etc/passwd":       "certificate",
		"exec://relative":                 "absolute",
		"exec://":                         "absolute",
		"exec:///nonexistent":             "no such file",
		"exec:///tmp":                     "not an executable file",
		"exec:///etc/passwd":              "not an executable file",
		"exec:///bin/true?limit=1":        `"limit"`,
		"exec:///bin/true?concurrent=0":   "concurrent",
		"exec:///bin/true?concurrent=1e9": "concurrent",
	} {
		backend, err := mux.Open(url)
		require.ErrorContains(t, err, says, url)
		require.Nil(t, backend, url)
		require.NotContains(t, err.Error(), "sesame", url)
	}
	var empty auth.Mux
	_, err := empty.Open("file:///x")
	require.ErrorContains(t, err, "no scheme is handled")
}

func TestMuxReplaces(t *testing.T) {
	mux := newMux()
	no := errors.New("not here")
	mux.Handle("HardCoded", func(string, string) (auth.Authenticator, error) { return nil, no })
	_, err := mux.Open("hardcoded://a:b")
	require.ErrorIs(t, err, no)
}

func FuzzMux(f *testing.F) {
	for _, url := range []string{"hardcoded://user:pass,user2,pass2", "http://host:80/x?y#timeout=1s",
		"exec:///bin/true?timeout=1s", "nobody://", "file", "://", "a b://"} {
		f.Add(url)
	}
	mux := newMux()
	f.Fuzz(func(t *testing.T, url string) {
		backend, err := mux.Open(url)
		if (err == nil) == (backend == nil) {
			t.Fatalf("%q: %v, %v", url, backend, err)
		}
		if err != nil && len(err.Error()) > len(url)*4+1000 {
			t.Fatalf("%q: endless error %q", url, err)
		}
		if err == nil && !strings.Contains(url, "://") {
			t.Fatalf("%q was opened", url)
		}
	})
}
