package frame

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewSessionAtLogin(t *testing.T) {
	w := newWorld(t, nil).logIn()
	address, _ := url.Parse(w.Server.URL)
	first := w.Client.Jar.Cookies(address)[0].Value
	w.logIn()
	second := w.Client.Jar.Cookies(address)[0].Value
	require.NotEqual(t, first, second)
	require.NotContains(t, fmt.Sprintf("%v %+v", w.sessions.byID, w.sessions.list(nil)), second, "only the hash is kept")
	require.Len(t, w.sessions.list(nil), 1, "the one before has ended")
}

func TestLocalPath(t *testing.T) {
	for next, want := range map[string]string{
		"/domains?sort=-errors": "/domains?sort=-errors", "": "/", "domains": "/", "//evil.test": "/", "///evil.test": "/",
		"/\\evil.test":       "/",
		"https://evil.test/": "/", "javascript:alert(1)": "/", "/%2f/evil.test": "/", "/\tx": "/", "/login": "/",
		"/logout": "/", "/v1/stats": "/",
		"/%0d%0aSet-Cookie:x": "/%0d%0aSet-Cookie:x", "/" + strings.Repeat("x", 3000): "/", "http:///x": "/",
		"/domains/a%2Fb": "/domains/a%2Fb",
	} {
		require.Equal(t, want, LocalPath(next), next)
	}
}
