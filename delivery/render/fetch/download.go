package fetch

import (
	"cmp"
	"context"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/sluicemail/sluice/internal/human"
	"github.com/sluicemail/sluice/internal/printable"
)

const (
	maxRedirects = 5
	maxHeader    = 64 << 10
	maxName      = 200
)

// download asks for u once and returns what came, and until when it may be kept.
func (c *Client) download(ctx context.Context, t *Terms, u *url.URL) (*File, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	began := c.now()
	if c.Log != nil {
		defer func() { c.Log(shown(u), began, c.now().Sub(began)) }()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, time.Time{}, final("malformed address")
	}
	request.Header.Set("User-Agent", cmp.Or(t.UserAgent, "Sluice"))
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, hostPort string) (net.Conn, error) {
			return c.dial(ctx, t, hostPort)
		},
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxHeader,
	}
	client := http.Client{Transport: transport, CheckRedirect: redirect}
	answer, err := client.Do(request)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer answer.Body.Close()
	if err := judge(answer); err != nil {
		return nil, time.Time{}, err
	}
	data, err := c.readAll(answer)
	if err != nil {
		return nil, time.Time{}, err
	}
	f := &File{Data: data, Type: mediaType(answer.Header), Name: name(answer)}
	return f, expires(answer.Header, c.now(), t.TTL), nil
}

// redirect is asked before each redirect is followed.
func redirect(next *http.Request, before []*http.Request) error {
	if len(before) > maxRedirects {
		return final("more than %d redirects", maxRedirects)
	}
	return checkURL(next.URL)
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return final("expected an address that begins with http:// or https://")
	case u.Hostname() == "":
		return final("the address has no host")
	}
	return nil
}

// judge tells success, and temporary from final failure.
func judge(answer *http.Response) error {
	switch code := answer.StatusCode; {
	case code == http.StatusOK:
		if e := answer.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
			return final("it came in the encoding %s, which was not asked for", printable.Text(e, 40))
		}
		return nil
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		return temporary("the server answered %s", printable.Text(answer.Status, 100))
	}
	return final("the server answered %s", printable.Text(answer.Status, 100))
}

// readAll reads the content, which is unpacked by then. What a server says of its length only matters when it is too
// much.
func (c *Client) readAll(answer *http.Response) ([]byte, error) {
	limit := cmp.Or(c.MaxSize, 25<<20)
	if answer.ContentLength > limit {
		return nil, final("it has %d bytes, more than the %d that are allowed", answer.ContentLength, limit)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, final("it has more than the %d bytes that are allowed", limit)
	}
	return data, err
}

// mediaType returns the type that a server states, "" when that is nonsense.
func mediaType(h http.Header) string {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return mime.FormatMediaType(kind, params)
}

// name returns what a file is called by its server, or by the last part of its address.
func name(answer *http.Response) string {
	_, params, err := mime.ParseMediaType(answer.Header.Get("Content-Disposition"))
	text := params["filename"]
	if err != nil || text == "" {
		text = answer.Request.URL.Path
	}
	text = path.Base(strings.ReplaceAll(text, `\`, "/"))
	if text == "." || text == "/" || text == ".." {
		return ""
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return human.Cut(text, maxName)
}
