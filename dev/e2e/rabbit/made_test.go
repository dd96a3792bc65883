package rabbit

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/mtatest"
	"github.com/sluicemail/sluice/internal/rabbittest"
	"github.com/sluicemail/sluice/internal/smtptest"
)

// texts returns the decoded content of all parts of a mail by type.
func texts(t *testing.T, header map[string][]string, body io.Reader, into map[string]string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(header["Content-Type"][0])
	require.NoError(t, err)
	if strings.HasPrefix(kind, "multipart/") {
		for r := multipart.NewReader(body, params["boundary"]); ; {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return
			}
			require.NoError(t, err)
			texts(t, p.Header, p, into)
		}
	}
	switch header["Content-Transfer-Encoding"][0] {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	into[kind] = string(text)
}

// TestMailsMadeOfObjects publishes what the public pages show: an object in the place of the mail, with blocks, with
// data to fill in, with a style sheet to move, with files to download.
func TestMailsMadeOfObjects(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/document.pdf":
			asked.Add(1)
			w.Header().Set("Content-Type", "application/pdf")
			io.WriteString(w, "%PDF of "+r.UserAgent())
		case "/busy.pdf":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			http.NotFound(w, r)
		}
	}))
	defer site.Close()
	dir := t.TempDir()
	log := filepath.Join(dir, "download.log")
	address := node.VHost(t)
	k := mtatest.NewKeeper(t, &smtptest.Sink{})
	d := mtatest.Start(t, mtatest.Queues(address).With(k.Settings()).With(mtatest.Settings{
		"download-cache": "directory://" + filepath.Join(dir, "cache"), "download-user-agent": "Our mailer",
		"download-whitelist": "127.0.0.1/32:" + fmt.Sprint(netip.MustParseAddrPort(site.Listener.Addr().String()).Port()),
		"download-log-file":  log, "download-log-format": "{$url}"}))
	ch := rabbittest.Stranger(t, address)
	publish := func(o object) { t.Helper(); put(t, ch, "", o.text(t)) }

	for i := range 3 {
		publish(object{"envelope": "sender@shop.example", "recipient": fmt.Sprintf("receiver%d@sink.test", i), "inlinecss": true,
			"data": object{"name": "Zoë\r\nBcc: x@sink.test", "items": []string{"tea", "milk"}},
			"mime": object{
				"from":        object{"name": "John Doe", "address": "sender@shop.example"},
				"to":          object{"name": "{$name}", "address": "{$recipient}"},
				"subject":     "Hello {$name}",
				"headers":     object{"list-unsubscribe": "<mailto:unsubscribe@shop.example>"},
				"content":     "<html><head><style>p { color: green }</style></head><body><p>{foreach $i in $items}{$i} {/foreach}</p></body></html>",
				"attachments": []object{{"url": site.URL + "/document.pdf"}},
			}})
	}
	all := k.Await(t, 3)
	require.EqualValues(t, 1, asked.Load(), "one download for three mails")
	require.Equal(t, site.URL+"/document.pdf\n", read(t, log))
	m, err := mail.ReadMessage(bytes.NewReader(all[0].Data))
	require.NoError(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, "Hello Zoë  Bcc: x@sink.test", subject)
	to, err := m.Header.AddressList("To")
	require.NoError(t, err)
	require.Equal(t, all[0].Recipients[0], to[0].Address)
	require.Empty(t, m.Header.Get("Bcc"))
	require.Equal(t, "<mailto:unsubscribe@shop.example>", m.Header.Get("List-Unsubscribe"))
	require.NotEmpty(t, m.Header.Get("Message-Id"))
	parts := map[string]string{}
	texts(t, m.Header, m.Body, parts)
	require.Equal(t, "%PDF of Our mailer", parts["application/pdf"])
	require.Regexp(t, `<p style="color: ?green;?">tea milk </p>`, parts["text/html"])
	require.Equal(t, "tea milk", strings.TrimSpace(parts["text/plain"]))

	publish(object{"envelope": "sender@shop.example", "recipient": "blocks@sink.test", "data": object{"label": "here & now"},
		"mime": object{"from": object{"name": "John Doe", "address": "sender@shop.example"}, "subject": "Example email",
			"text": "Text version", "background": object{"color": "white"},
			"content": object{"blocks": []object{{"type": "html", "content": "<p>Example content</p>"},
				{"type": "button", "label": "click {$label}"}}}}})
	m, err = mail.ReadMessage(bytes.NewReader(k.Await(t, 4)[3].Data))
	require.NoError(t, err)
	parts = map[string]string{}
	texts(t, m.Header, m.Body, parts)
	require.Equal(t, "Text version", strings.TrimSpace(parts["text/plain"]))
	require.Contains(t, parts["text/html"], "<p>Example content</p>")
	require.Contains(t, parts["text/html"], "click here & now")
	for range 4 {
		require.Equal(t, "message/accepted", get(t, ch, "results").pair(t))
	}

	for url, want := range map[string]string{
		"http://169.254.169.254/latest/meta-data": "nothing may be downloaded from address 169.254.169.254:80",
		site.URL + "/gone.pdf":                    "404",
		"file:///etc/passwd":                      "http://",
	} {
		publish(object{"envelope": "sender@shop.example", "recipient": "failed@sink.test",
			"mime": object{"from": "sender@shop.example", "text": "x", "attachments": []object{{"url": url}}}})
		o := get(t, ch, "failure")
		require.Equal(t, "responsive/error", o.pair(t))
		require.Contains(t, o.last(t)["description"], "/attachments/0/url")
		require.Contains(t, o.last(t)["description"], want)
	}
	publish(object{"envelope": "sender@shop.example", "recipient": "later@sink.test",
		"mime": object{"from": "sender@shop.example", "text": "x", "attachments": []object{{"url": site.URL + "/busy.pdf"}}}})
	require.True(t, d.WaitLog("the server answered 503"), "it waits")
	require.Len(t, k.Received(), 4)
	d.Terminate(t)
}

func read(t *testing.T, name string) string {
	t.Helper()
	var text []byte
	mtatest.Eventually(t, "a line is written", func() bool {
		text, _ = os.ReadFile(name)
		return len(text) > 0
	})
	return string(text)
}
