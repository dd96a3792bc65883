package config

import (
	"crypto/tls"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// openSSLNames returns OpenSSL's names of suites.
func openSSLNames(ids []uint16) string {
	var all []string
	for _, id := range ids {
		for _, s := range suites() {
			if s.id == id {
				all = append(all, s.name)
			}
		}
	}
	return strings.Join(all, ":")
}

func TestParseCiphers(t *testing.T) {
	const (
		gcm    = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
		chacha = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
		gcm128 = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
		cbc256 = "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
		cbc128 = "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
		sha256 = "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"
		rsa    = "AES256-GCM-SHA384:AES128-GCM-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA"
		all    = gcm + ":" + chacha + ":" + gcm128 + ":" + sha256 + ":" + cbc256 + ":" + cbc128 + ":" + rsa
	)
	tests := []struct{ in, want, missing string }{
		{"HIGH", all, ""},
		{"ALL", all, ""},
		{"DEFAULT:!aNULL", all, ""},
		{"ALL:!kRSA", gcm + ":" + chacha + ":" + gcm128 + ":" + sha256 + ":" + cbc256 + ":" + cbc128, ""},
		{"ALL:!CBC:!kRSA:@SECLEVEL=2", gcm + ":" + chacha + ":" + gcm128, ""},
		{"ECDHE+AESGCM", gcm + ":" + gcm128, ""},
		{"ECDHE+AESGCM:+AES256", gcm128 + ":" + gcm, ""},
		{"AES128:@STRENGTH:AES256:@STRENGTH:!aECDSA:!CBC:!kRSA", "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256",
			""},
		{"ECDHE-RSA-AES128-GCM-SHA256,AES128-SHA RC4-SHA", "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA:RC4-SHA", ""},
		{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", ""},
		{"kRSA+AESGCM", "AES256-GCM-SHA384:AES128-GCM-SHA256", ""},
		{"kRSA+AESGCM:-AES256", "AES128-GCM-SHA256", ""},
		{"CHACHA20:-CHACHA20:CHACHA20", chacha, ""},
		{"!CHACHA20:CHACHA20:ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", ""},
		{"3DES", "ECDHE-RSA-DES-CBC3-SHA:DES-CBC3-SHA", ""},
		{"CHACHA20:CAMELLIA256:DHE-RSA-AES128-GCM-SHA256:MEDIUM:COMPLEMENTOFDEFAULT", chacha,
			"CAMELLIA256,DHE-RSA-AES128-GCM-SHA256,MEDIUM,COMPLEMENTOFDEFAULT"},
		{"!aNULL:!eNULL:!LOW:!SSLv2:!EXPORT:!EXPORT56:FIPS:MEDIUM:HIGH:@STRENGTH",
			gcm + ":" + cbc256 + ":AES256-GCM-SHA384:AES256-SHA:" + chacha + ":" + gcm128 + ":" + sha256 + ":" + cbc128 +
				":AES128-GCM-SHA256:AES128-SHA256:AES128-SHA", "MEDIUM"},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			ids, missing, err := ParseCiphers(test.in)
			require.NoError(t, err)
			require.Equal(t, test.want, openSSLNames(ids))
			require.Equal(t, test.missing, strings.Join(missing, ","))
		})
	}
	for _, in := range []string{"", "::", "!", "+", "-", "@", "@STRENGTH", "!aNULL:!eNULL", "CAMELLIA", "HIGH:!ALL",
		"TLS_AES_128_GCM_SHA256", "HIGH+", "+HIGH"} {
		_, _, err := ParseCiphers(in)
		require.Error(t, err, in)
	}
}

// TestSuitesAreThoseOfGo: no suite of crypto/tls is forgotten, and weak is what OpenSSL is built without.
func TestSuitesAreThoseOfGo(t *testing.T) {
	known := map[uint16]suite{}
	for _, s := range suites() {
		known[s.id] = s
	}
	for _, c := range tls.CipherSuites() {
		if c.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		require.Contains(t, known, c.ID, c.Name)
		require.Empty(t, known[c.ID].weak, c.Name)
		delete(known, c.ID)
	}
	for _, c := range tls.InsecureCipherSuites() {
		require.Contains(t, known, c.ID, c.Name)
		old := strings.Contains(c.Name, "3DES") || strings.Contains(c.Name, "RC4")
		require.Equal(t, old, known[c.ID].weak != "", c.Name)
		delete(known, c.ID)
	}
	require.Empty(t, known)
}

// TestCiphersAsOpenSSL asks the openssl of this machine, if there is one, for the order of what both have.
func TestCiphersAsOpenSSL(t *testing.T) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl here")
	}
	ours := map[string]bool{}
	for _, s := range suites() {
		ours[s.name] = s.weak == ""
	}
	for _, text := range []string{"ALL", "HIGH", "DEFAULT", "ALL:!aNULL:!kRSA", "ALL:+AES256", "ALL:+kRSA:@STRENGTH",
		"ECDHE+AESGCM:ECDHE+CHACHA20:!aECDSA", "AES128:AES256",
		"ALL:-AES128:AES128", "HIGH:!aNULL:!MD5:!SHA1", "kRSA:-AES256", "AESGCM:CHACHA20:-CHACHA20", "!AES256:ALL",
		"AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384",
		"ECDHE-ECDSA-AES128-SHA:ALL:@STRENGTH"} {
		out, err := exec.Command(program, "ciphers", text+":@SECLEVEL=0").Output()
		require.NoError(t, err, text)
		var want []string
		for name := range strings.SplitSeq(strings.TrimSpace(string(out)), ":") {
			if ours[name] {
				want = append(want, name)
			}
		}
		ids, _, err := ParseCiphers(text)
		require.NoError(t, err)
		require.Equal(t, strings.Join(want, ":"), openSSLNames(ids), text)
	}
}

func FuzzParseCiphers(f *testing.F) {
	f.Add("!aNULL:FIPS:MEDIUM:HIGH:@STRENGTH")
	f.Add("ECDHE+AESGCM:-AES256:+AES128,kRSA")
	f.Fuzz(func(t *testing.T, s string) {
		ids, _, err := ParseCiphers(s)
		if (err == nil) != (len(ids) > 0) {
			t.Fatalf("%d suites and error %v", len(ids), err)
		}
	})
}
