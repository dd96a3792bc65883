package api_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/admin"
)

// keyFacts tells about a key what the room that signs would.
func keyFacts(text string) (admin.KeyFacts, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return admin.KeyFacts{}, errors.New("no key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return admin.KeyFacts{}, err
	}
	sum := sha256.Sum256(block.Bytes)
	facts := admin.KeyFacts{Algorithm: "rsa", Record: "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(sum[:])}
	if _, is := key.(ed25519.PrivateKey); is {
		facts.Algorithm = "ed25519"
	}
	return facts, nil
}

// published are the texts of a DNS by name.
type published map[string]string

func (p *published) lookUp(_ context.Context, name string) ([]string, error) {
	if text := (*p)[name]; text != "" {
		return []string{text}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func TestKeysGoFromMadeToWithdrawn(t *testing.T) { keyLives(t, newWorld(t)) }

// keyLives lets a key be made, published and used, another take its place, and the first be withdrawn once its mail has
// gone.
func keyLives(t *testing.T, w *world) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	w.admin.Now = func() time.Time { return now }
	defer func() { w.admin.Now = nil }()
	w.published = published{}
	key := func(method, path, fields string) (id string, k object) {
		k = w.must(method, path, fields).(object)
		require.NotContains(t, fmt.Sprint(k), "PRIVATE KEY")
		return fmt.Sprintf("/v1/dkim/%.0f", k["id"]), k
	}
	old, k := key("POST", "/v1/dkim", "domain=key.test&selector=first&algorithm=ed25519")
	require.Equal(t, "no", k["published"])
	require.Equal(t, true, k["signs"])
	beside, _ := key("POST", "/v1/dkim", "domain=key.test&selector=beside") // RSA: not what the other is replaced by
	require.Equal(t, 409, w.send("POST", "/v1/dkim", "domain=KEY.test&selector=First").status, "the name is taken")
	id := old[len("/v1/dkim/"):]
	w.must("POST", "/v1/dkim_patterns", "dkim_key="+id+"&type=fnmatch&sign=*.key.test")

	next, made := key("POST", old+"/successor", "")
	require.Equal(t, "s20261130", made["selector"])
	require.Equal(t, "ed25519", made["algorithm"])
	require.Equal(t, []any{"first"}, made["others"])
	require.Equal(t, 409, w.send("POST", old+"/successor", "selector=S20261130").status)
	require.Equal(t, 409, w.send("POST", next+"/use", "").status, "it is not published")
	w.published["s20261130._domainkey.key.test"] = "v=DKIM1; p=AAAA"
	require.Equal(t, 409, w.send("POST", next+"/use", "").status, "another one is")
	w.published["s20261130._domainkey.key.test"] = made["text"].(string)
	w.must("POST", next+"/use", "")
	require.Equal(t, 409, w.send("POST", next+"/use", "").status, "it has")

	_, k = key("GET", old, "")
	require.Equal(t, []any{false, "2026-11-30 12:00:00", "2026-12-07 12:00:00", false},
		[]any{k["signs"], k["retired"], k["withdraw"], k["gone"]})
	_, k = key("GET", beside, "")
	require.Equal(t, true, k["signs"])
	require.Equal(t, 409, w.send("POST", next+"/withdraw", "").status, "it signs")
	now = now.Add(admin.Lingering - time.Second)
	require.Equal(t, 409, w.send("POST", old+"/withdraw", "").status, "mail may be on its way")
	now = now.Add(time.Second)
	w.must("POST", old+"/withdraw", "")
	for _, step := range []string{"/successor", "/use", "/withdraw"} {
		require.Equal(t, 404, w.send("POST", old+step, "").status)
	}
	require.Equal(t, 404, w.send("GET", old, "").status)
	w.must("POST", "/v1/dkim_keys", "domain=key.test&selector=bad&privatekey=x&enabled=no")
	rows := w.must("GET", "/v1/dkim_keys", "").([]any)
	bad := fmt.Sprintf("/v1/dkim/%.0f", rows[len(rows)-1].(object)["id"])
	require.Equal(t, 409, w.send("GET", bad, "").status, "nothing can be told of it")
	rows = w.must("GET", "/v1/dkim_patterns", "").([]any)
	require.Len(t, rows, 1, "the patterns went with it, and their copies are the successor's")
}
