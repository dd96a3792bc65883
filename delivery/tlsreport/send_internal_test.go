package tlsreport

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRecord(t *testing.T) {
	for text, want := range map[string]string{
		"v=TLSRPTv1; rua=mailto:a@b.test":                               "mailto:a@b.test",
		"v=TLSRPTv1;rua=mailto:a@b.test,https://b.test/x?y=z;":          "mailto:a@b.test https://b.test/x?y=z",
		"v=TLSRPTv1 ; rua = mailto:a@b.test , mailto:c@b.test":          "mailto:a@b.test mailto:c@b.test",
		"v=TLSRPTv1; rua=http://b.test/":                                "",
		"v=TLSRPTv1; rua=mailto:a@b.test%0d%0aBcc:c@d.test":             "",
		"v=TLSRPTv1; rua=mailto:":                                       "",
		"v=TLSRPTv1; rua=https:///x":                                    "",
		"v=TLSRPTv1; rua=file:///etc/passwd,mailto:a@b.test":            "mailto:a@b.test",
		"v=TLSRPTv1; rua=mailto:a@b.test\x00v=TLSRPTv1; rua=mailto:b@c": "",
		"v=TLSRPTv1":                      "",
		"rua=mailto:a@b.test; v=TLSRPTv1": "",
		"v=TLSRPTv1; rua=" + strings.Repeat("mailto:a@b.test,", 10): strings.TrimSpace(strings.Repeat("mailto:a@b.test ", 4)),
	} {
		var got []string
		for _, u := range parseRecord(strings.Split(text, "\x00")) {
			got = append(got, u.String())
		}
		require.Equal(t, want, strings.Join(got, " "), "%q", text)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("v=TLSRPTv1; rua=mailto:a@b.test,https://b.test/")
	f.Fuzz(func(t *testing.T, text string) {
		for _, u := range parseRecord([]string{text}) {
			if u.Scheme == "mailto" && strings.ContainsAny(u.Opaque, "\r\n") {
				t.Fatalf("%q", u.Opaque)
			}
		}
	})
}
