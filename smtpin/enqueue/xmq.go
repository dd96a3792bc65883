package enqueue

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

// propertyPrefix begins the names of header fields that become properties.
const propertyPrefix = "x-mq-"

// Limits of x-mq-* fields: their properties are repeated in the message of each recipient.
const (
	maxProperties     = 256
	maxPropertyBytes  = 64 << 10
	maxPropertyName   = 64
	maxPropertyString = 255 // names of queues, pools, tags, hosts
)

// properties are what the x-mq-* fields of one mail ask for. A field that comes twice replaces the first one, save for
// ip and tag, which add up. A nil *properties asks for nothing.
type properties struct {
	forbidden    *Queues // names that an override must not use
	count, bytes int

	envelope   *string
	ips        []string
	pool       string
	tags       []string
	next       time.Time
	maxDeliver time.Time
	attempts   *int
	retries    []time.Duration
	inlineCSS  *bool
	keepMIME   *bool
	requireTLS *bool
	queues     *queue.Queues
	smarthost  *queue.Smarthost
	notify     []string
	ret        string
	orcpt      string
	envid      string
	extra      map[string]json.RawMessage
}

// read takes in one field. An error is a reply that names it and says what was expected; it never repeats the value,
// which may be a password.
func (p *properties) read(f mailheader.Field) error {
	p.count++
	p.bytes += len(f.Raw)
	if p.count > maxProperties || p.bytes > maxPropertyBytes {
		return refuse(554, smtp.EnhancedCode{5, 6, 0}, "Too many x-mq header fields: expected at most 256 of 64 KiB together")
	}
	name := strings.ToLower(string(f.Name()[len(propertyPrefix):]))
	if !isPropertyName(name) {
		return unusable("...", "a name of at most 64 letters, digits, dashes, dots and underscores")
	}
	value := decodeWords(string(mailheader.AppendUnfolded(nil, f.Value())))
	if !isText(value) {
		return unusable(name, "text in UTF-8 without control characters")
	}
	if want := p.set(name, value); want != "" {
		return unusable(name, want)
	}
	return nil
}

// unusable is the reply to a field that cannot be read. The mail is refused rather than sent in another way than its
// sender asked for.
func unusable(name, want string) error {
	return refuse(554, smtp.EnhancedCode{5, 6, 0}, "Header "+propertyPrefix+name+": expected "+want)
}

// set stores a value under its type. It returns what was expected when the value is something else.
func (p *properties) set(name, value string) (want string) {
	switch name {
	case "envelope":
		return p.setEnvelope(value)
	case "ip":
		return p.addIPs(value)
	case "pool":
		return setString(&p.pool, value)
	case "tag":
		return p.addTag(value)
	case "delayed":
		return setTime(&p.next, value)
	case "maxdelivertime":
		return setTime(&p.maxDeliver, value)
	case "maxattempts":
		return p.setAttempts(value)
	case "retries":
		return p.setRetries(value)
	case "inlinecss":
		return setBool(&p.inlineCSS, value)
	case "keepmime":
		return setBool(&p.keepMIME, value)
	case "requiretls":
		return setBool(&p.requireTLS, value)
	}
	if which, ok := strings.CutSuffix(name, "-queue"); ok {
		if slot := p.queueSlot(which); slot != nil {
			return p.setQueue(slot, value)
		}
	}
	if which, ok := strings.CutPrefix(name, "smarthost-"); ok {
		if want, ok := p.setSmarthost(which, value); ok {
			return want
		}
	}
	if which, ok := strings.CutPrefix(name, "dsn-"); ok {
		if want, ok := p.setDSN(which, value); ok {
			return want
		}
	}
	if !isReserved(name) {
		p.setExtra(name, value)
	}
	return ""
}

// isReserved tells names of properties that are set in other ways, never from a header.
func isReserved(name string) bool {
	switch name {
	case "recipient", "mime", "mime-encoding", "key", "data", "ips", "nextattempt", "force", "dkim", "dsn", "queues",
		"smarthost",
		"tags", "headers", "priority", "security", "message-id", "received", "hostname", "connection", "spool", "cli", "http",
		"checks", "results", "extracted", "raw", queue.PropertySMTPUTF8, queue.PropertyBinaryMIME,
		"tls-optional", "holduntil", "deliverby":
		return true
	}
	return false
}

func (p *properties) setEnvelope(value string) string {
	if strings.HasPrefix(value, "<") && strings.HasSuffix(value, ">") {
		value = strings.TrimSpace(value[1 : len(value)-1])
	}
	if value != "" && !addr.Valid(value, addr.Loose|addr.UTF8) {
		return "a mail address or <>"
	}
	p.envelope = &value
	return ""
}

func (p *properties) addIPs(value string) string {
	n := len(p.ips)
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		a, err := netip.ParseAddr(part)
		if err != nil || a.Zone() != "" {
			return "an IP address, or several with commas between them"
		}
		p.ips = append(p.ips, a.Unmap().String())
	}
	if len(p.ips) == n {
		return "an IP address"
	}
	return ""
}

func (p *properties) addTag(value string) string {
	if len(value) > maxPropertyString {
		return "a tag of at most 255 bytes"
	}
	if value != "" {
		p.tags = append(p.tags, value)
	}
	return ""
}

func (p *properties) setAttempts(value string) string {
	n, ok := parseInt(value, 1_000_000_000)
	if !ok {
		return "a whole number, 0 for no limit"
	}
	if n == 0 {
		n = -1 // queue.Message: negative is without limit
	}
	p.attempts = &n
	return ""
}

func (p *properties) setRetries(value string) string {
	const most = 10 * 365 * 24 * 3600 // ten years
	p.retries = nil
	for part := range strings.SplitSeq(value, ",") {
		n, ok := parseInt(strings.TrimSpace(part), most)
		if !ok {
			return "whole seconds, with commas between them"
		}
		p.retries = append(p.retries, time.Duration(n)*time.Second)
	}
	return ""
}

// queueSlot returns where the override of a queue is kept, or nil when it cannot be overridden.
func (p *properties) queueSlot(which string) **string {
	q := p.queues
	if q == nil {
		q = &queue.Queues{}
	}
	var slot **string
	switch which {
	case "results":
		slot = &q.Results
	case "failure":
		slot = &q.Failure
	case "success":
		slot = &q.Success
	case "retry":
		slot = &q.Retry
	default:
		return nil
	}
	p.queues = q
	return slot
}

func (p *properties) setQueue(slot **string, value string) string {
	if len(value) > maxPropertyString {
		return "the name of a queue, at most 255 bytes"
	}
	if p.forbidden.reads(value) {
		return "a queue that is neither the outbox nor one for received mail"
	}
	*slot = &value
	return ""
}

func (p *properties) setSmarthost(which, value string) (want string, known bool) {
	s := p.smarthost
	if s == nil {
		s = &queue.Smarthost{}
	}
	switch which {
	case "hostname":
		_, err := netip.ParseAddr(strings.Trim(value, "[]"))
		if err != nil && !addr.ValidDomain(value, addr.Loose|addr.UTF8) {
			return "a host name or an IP address", true
		}
		s.Hostname = value
	case "port":
		n, ok := parseInt(value, 65535)
		if !ok || n == 0 {
			return "a port from 1 to 65535", true
		}
		s.Port = n
	case "username":
		s.Username = value
	case "password":
		s.Password = value
	case "plaintext":
		var plaintext *bool
		if want := setBool(&plaintext, value); want != "" {
			return want, true
		}
		s.Plaintext = *plaintext
	default:
		return "", false
	}
	p.smarthost = s
	return "", true
}

func (p *properties) setDSN(which, value string) (want string, known bool) {
	switch which {
	case "notify":
		return p.setNotify(value), true
	case "ret":
		value = strings.ToUpper(value)
		if value != string(smtp.DSNReturnFull) && value != string(smtp.DSNReturnHeaders) {
			return "FULL or HDRS", true
		}
		p.ret = value
	case "orcpt":
		return setString(&p.orcpt, value), true
	case "envid":
		return setString(&p.envid, value), true
	default:
		return "", false
	}
	return "", true
}

func (p *properties) setNotify(value string) string {
	const want = "NEVER, or some of FAILURE, DELAY, SUCCESS with commas between them"
	p.notify = nil
	for part := range strings.SplitSeq(value, ",") {
		part = strings.ToUpper(strings.TrimSpace(part))
		switch smtp.DSNNotify(part) {
		case smtp.DSNNotifyNever, smtp.DSNNotifyDelayed, smtp.DSNNotifyFailure, smtp.DSNNotifySuccess:
		default:
			return want
		}
		p.notify = append(p.notify, part)
	}
	if len(p.notify) > 4 {
		return want
	}
	for _, n := range p.notify {
		if n == string(smtp.DSNNotifyNever) && len(p.notify) > 1 {
			return want
		}
	}
	return ""
}

func (p *properties) setExtra(name, value string) {
	if p.extra == nil {
		p.extra = make(map[string]json.RawMessage)
	}
	p.extra[name] = typedJSON(value)
}

// check looks at what the fields ask for together.
func (p *properties) check() error {
	if p != nil && p.smarthost != nil && p.smarthost.Hostname == "" {
		return unusable("smarthost-hostname", "a host name beside the other smarthost fields")
	}
	return nil
}

// apply writes what was asked for into m, which is the same for all recipients.
func (p *properties) apply(m *queue.Message) {
	if p == nil {
		return
	}
	if p.envelope != nil {
		m.Envelope = *p.envelope
	}
	if p.ips != nil || p.pool != "" { // either switches the mapping of addresses off
		m.IPs, m.Pool = p.ips, p.pool
	}
	m.Tags = p.tags
	m.NextAttempt, m.MaxDeliverTime = p.next, p.maxDeliver
	if p.attempts != nil {
		m.MaxAttempts = *p.attempts
	}
	m.Retries = p.retries
	m.InlineCSS = p.inlineCSS != nil && *p.inlineCSS
	m.KeepMIME = p.keepMIME != nil && *p.keepMIME
	m.RequireTLS = m.RequireTLS || p.requireTLS != nil && *p.requireTLS // and no header takes it back
	m.Queues = p.overrides()
	m.Smarthost = p.smarthost
	for name, value := range p.extra {
		if m.Extra == nil {
			m.Extra = make(map[string]json.RawMessage, len(p.extra))
		}
		m.Extra[name] = value
	}
}

// overrides returns the queues to use instead of the configured ones: with one of the four set, queues that are not set
// are off.
func (p *properties) overrides() *queue.Queues {
	if p.queues == nil {
		return nil
	}
	q, off := *p.queues, ""
	for _, slot := range []**string{&q.Results, &q.Failure, &q.Success, &q.Retry} {
		if *slot == nil {
			*slot = &off
		}
	}
	return &q
}

// dsn returns a recipient's DSN parameters with those of the header in their place.
func (p *properties) dsn(d queue.DSN) queue.DSN {
	if p == nil {
		return d
	}
	if p.notify != nil {
		d.Notify = p.notify
	}
	if p.ret != "" {
		d.Ret = p.ret
	}
	if p.orcpt != "" {
		d.ORcpt = p.orcpt
	}
	if p.envid != "" {
		d.EnvID = p.envid
	}
	return d
}
