package tlsreport

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/txtrecord"
	"github.com/sluicemail/sluice/queue"
)

const (
	maxTargets = 4 // of one domain
	maxReport  = 10 << 20
	postTime   = 30 * time.Second
)

// targets returns where a domain wants its reports (RFC 8460 §3); none: nowhere. An error says that the DNS could not
// be asked.
func (r *Reporter) targets(ctx context.Context, domain string) ([]*url.URL, error) {
	found, err := r.Resolver.TXT(ctx, "_smtp._tls."+domain)
	if err != nil {
		if resolver.IsNotFound(err) {
			return nil, nil
		}
		return nil, err
	}
	return parseRecord(found.Records), nil
}

// parseRecord returns the addresses in the one record that is about reports; none when there is another number of them.
func parseRecord(texts []string) (targets []*url.URL) {
	for _, addresses := range txtrecord.Values(texts, "v=TLSRPTv1", "rua") {
		for address := range strings.SplitSeq(addresses, ",") {
			target, err := url.Parse(strings.TrimSpace(address))
			if err == nil && usable(target) && len(targets) < maxTargets {
				targets = append(targets, target)
			}
		}
	}
	return targets
}

func usable(u *url.URL) bool {
	switch u.Scheme {
	case "mailto":
		address, err := url.PathUnescape(u.Opaque)
		return err == nil && addr.Valid(address, addr.Strict)
	case "https":
		return u.Host != ""
	}
	return false
}

// send sends the report on a domain's day to the first address that takes it, and reports whether it need not be tried
// again. to is the address that took it, or the last one tried; "": the domain gives none.
func (r *Reporter) send(ctx context.Context, day, domain string, all []*counted) (to string, done bool, err error) {
	targets, err := r.targets(ctx, domain)
	if err != nil || len(targets) == 0 {
		return "", err == nil, err
	}
	packed, err := r.report(day, domain, all)
	if err != nil || len(packed) > maxReport {
		return "", true, errors.Join(err, fmt.Errorf("the report has %d bytes", len(packed)))
	}
	var errs []error
	for _, target := range targets {
		to = target.Redacted()
		if target.Scheme == "https" {
			err = r.post(ctx, target, packed)
		} else {
			err = r.mail(ctx, day, domain, target, packed)
		}
		if err == nil { // one address is enough (§3): the others are for when it fails
			return to, true, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", to, err))
	}
	return to, false, errors.Join(errs...)
}

// post sends a report by HTTPS (RFC 8460 §5.4).
func (r *Reporter) post(ctx context.Context, target *url.URL, packed []byte) error {
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(packed))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/tlsrpt+gzip")
	response, err := r.Client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 1<<16)
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("HTTP status %d", response.StatusCode)
	}
	return nil
}

// mail sends a report by mail (RFC 8460 §5.3).
func (r *Reporter) mail(ctx context.Context, day, domain string, target *url.URL, packed []byte) error {
	to, err := url.PathUnescape(target.Opaque)
	if err != nil {
		return err
	}
	m := &queue.Message{Envelope: r.From, Recipient: to, TLSOptional: true, Body: queue.Bytes(r.compose(day, domain, to, packed))}
	return r.Publish(ctx, m)
}

func (r *Reporter) compose(day, domain, to string, packed []byte) []byte {
	id, start := r.id(day, domain), dayStart(day)
	boundary := "=_tlsrpt_" + strings.NewReplacer("@", "_", ".", "_", "-", "_").Replace(day+r.Host)
	var b bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	field("From", r.From)
	field("To", to)
	field("Date", r.now().Format(time.RFC1123Z))
	field("Message-ID", "<tlsrpt."+id+">")
	field("Subject", "Report Domain: "+domain+" Submitter: "+r.Host+" Report-ID: <"+id+">")
	field("TLS-Report-Domain", domain)
	field("TLS-Report-Submitter", r.Host)
	field("TLS-Required", "No")
	field("Auto-Submitted", "auto-generated")
	field("MIME-Version", "1.0")
	field("Content-Type", "multipart/report; report-type=\"tlsrpt\";\r\n\tboundary=\""+boundary+"\"")
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", boundary)
	fmt.Fprintf(&b, "How connections of %s to the mail servers of\r\n%s were secured on %s (UTC).\r\n", r.Host, domain, day)
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n", boundary)
	fmt.Fprintf(&b, "Content-Disposition: attachment;\r\n\tfilename=\"%s!%s!%d!%d!%s.json.gz\"\r\n\r\n", r.Host, domain,
		start.Unix(), start.Add(24*time.Hour-time.Second).Unix(), day)
	for text := base64.StdEncoding.EncodeToString(packed); text != ""; {
		line := text[:min(76, len(text))]
		text = text[len(line):]
		b.WriteString(line + "\r\n")
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return b.Bytes()
}

func dayStart(day string) time.Time {
	t, _ := time.Parse(time.DateOnly, day)
	return t
}
