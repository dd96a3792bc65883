package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/internal/printable"
)

// outcome is what became of a request.
type outcome struct {
	verdict verdict
	reason  string        // "" when it was accepted
	after   time.Duration // not to be tried again before; zero: as we like
	took    time.Duration
}

type verdict uint8

const (
	later    verdict = iota // no answer, or one that may be another next time
	accepted                // 2xx
	refused                 // 4xx, but for the three that say later: the same would be refused again
)

const (
	maxHeader   = 64 << 10 // of an answer
	shownReason = 300      // bytes of what is wrong
	leastToken  = 4        // bytes of a value in the query; shorter ones are no secrets
	answerTime  = time.Second
	longestWait = time.Hour // that Retry-After is believed
)

// transport makes connections that are kept for the next request.
func (h *Hook) transport() *http.Transport {
	return &http.Transport{
		Proxy:                  func(*http.Request) (*url.URL, error) { return h.o.Terms().Proxy, nil },
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}
}

// post sends the results of a batch and judges the answer. What the other end says reaches logs and terminals without
// control characters, and without what is secret.
func (h *Hook) post(ctx context.Context, t *Terms, b *batch) outcome {
	o := h.request(ctx, t, b)
	if o.reason != "" {
		o.reason = printable.Text(t.masked(o.reason), shownReason)
	}
	return o
}

// masked puts asterisks for whatever is secret in a text: the other end may repeat what it was sent.
func (t *Terms) masked(text string) string {
	password, _ := t.URL.User.Password()
	secrets := []string{t.Secret, password, t.URL.RawQuery}
	for _, values := range t.URL.Query() {
		secrets = append(secrets, slices.DeleteFunc(values, func(v string) bool { return len(v) < leastToken })...)
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "********")
		}
	}
	return text
}

// request sends the results of a batch and judges the answer.
func (h *Hook) request(ctx context.Context, t *Terms, b *batch) outcome {
	ctx, cancel := context.WithTimeout(ctx, t.timeout())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL.String(), bytes.NewReader(b.body))
	if err != nil {
		return outcome{reason: bare(err)}
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Sluice")
	request.Header.Set(TimestampHeader, timestamp)
	request.Header.Set(CheckpointHeader, strconv.FormatUint(b.first.number, 10))
	request.Header["Idempotency-Key"] = nil // not sent: a connection that just ended has it tried over another at once
	if t.Secret != "" {
		request.Header.Set(SignatureHeader, sign(t.Secret, timestamp, b.body))
	}
	answer, err := h.client.Do(request)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return outcome{reason: "no answer within " + t.timeout().String()}
		}
		return outcome{reason: bare(err)}
	}
	defer answer.Body.Close()
	defer time.AfterFunc(answerTime, cancel).Stop() // the text matters less than the next request
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxHeader))
	return judge(answer, string(text))
}

// bare is an error without the address of the request, which may hold a password or token.
func bare(err error) string {
	var with *url.Error
	if errors.As(err, &with) {
		err = with.Err
	}
	return err.Error()
}

// judge says what an answer means.
func judge(answer *http.Response, text string) outcome {
	o := outcome{reason: "it answered " + answer.Status, after: retryAfter(answer.Header.Get("Retry-After"), time.Now())}
	code := answer.StatusCode
	switch {
	case code/100 == 2:
		return outcome{verdict: accepted}
	case code/100 == 3:
		o.reason += ", and redirects are not followed"
		if to, err := answer.Location(); err == nil {
			o.reason += ": it is at " + to.Scheme + "://" + to.Host + " now"
		}
		return o
	case code/100 == 4 && code != http.StatusRequestTimeout && code != http.StatusTooEarly &&
		code != http.StatusTooManyRequests:
		o.verdict = refused
	}
	if first, _, _ := strings.Cut(strings.TrimSpace(text), "\n"); first != "" {
		o.reason += ": " + first
	}
	return o
}

// retryAfter reads the field of that name (RFC 9110 §10.2.3); zero: it says nothing.
func retryAfter(text string, now time.Time) time.Duration {
	var d time.Duration
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), longestWait)
}
