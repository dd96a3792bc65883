package tlsreport_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/tlsreport"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue"
)

const python = "/usr/bin/python3"

// TestSchema holds the JSON of reports by mail and by HTTPS against the schema of RFC 8460, with a program of others.
func TestSchema(t *testing.T) {
	if exec.Command(python, "-c", "import jsonschema").Run() != nil {
		testserver.Need(t, "python3-jsonschema")
	}
	var documents [][]byte
	inBubble(t, func(t *testing.T, w *world) {
		w.wants["mail.test"] = "v=TLSRPTv1; rua=mailto:r@mail.test"
		w.wants["post.test"] = "v=TLSRPTv1; rua=https://reports.post.test/v1"
		r, stop := w.run()
		defer stop()
		dane := tlsreport.Policy{Type: "tlsa", Lines: []string{"3 1 1 " + strings.Repeat("ab", 32)}}
		for _, domain := range []string{"mail.test", "post.test"} {
			r.Count(domain, "mx."+domain, sts, good)
			r.Count(domain, "mx."+domain, none, good)
			for _, kind := range []string{"starttls-not-supported", "certificate-host-mismatch", "certificate-expired",
				"certificate-not-trusted", "validation-failure", "dnssec-invalid", "sts-policy-fetch-error", "sts-policy-invalid",
				"sts-webpki-invalid"} {
				s := expired
				s.Violation = &delivery.TLSViolation{Type: kind, Reason: "<\"\x00\u2028>"}
				r.Count(domain, "mx."+domain, dane, s)
			}
			r.Count(domain, "", none, delivery.TLSSession{Violation: expired.Violation})
		}
		time.Sleep(37 * time.Hour)
		mails, posts := w.sent()
		require.Equal(t, 1, mails)
		require.Equal(t, 1, posts)
		require.True(t, w.mails[0].TLSOptional, "it arrives where TLS is broken, and is not counted itself")
		text, err := queue.ReadBody(w.mails[0].Body)
		require.NoError(t, err)
		_, attached, _ := bytes.Cut(text, []byte(".json.gz\"\r\n\r\n"))
		attached, _, _ = bytes.Cut(attached, []byte("\r\n--"))
		packed, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(string(attached), "\r\n", ""))
		require.NoError(t, err)
		for _, packed := range [][]byte{packed, []byte(w.posts[0])} {
			z, err := gzip.NewReader(bytes.NewReader(packed))
			require.NoError(t, err)
			document, err := io.ReadAll(z)
			require.NoError(t, err)
			documents = append(documents, document)
		}
	})
	validate := func(document []byte) (string, error) {
		path := filepath.Join(t.TempDir(), "report.json")
		require.NoError(t, os.WriteFile(path, document, 0o600))
		out, err := exec.CommandContext(t.Context(), python, "-c", `
import json, jsonschema, sys
jsonschema.validate(json.load(open(sys.argv[2])), json.load(open(sys.argv[1])))`, "testdata/rfc8460.schema.json", path).CombinedOutput()
		return string(out), err
	}
	for _, document := range documents {
		out, err := validate(document)
		require.NoError(t, err, "%s\n%s", out, document)
		_, err = validate(bytes.Replace(document, []byte("certificate-expired"), []byte("certificate-old"), 1))
		require.Error(t, err, "the schema knows what is wrong")
	}
}
