package rules

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/queue"
)

// maxWait bounds the seconds of retry and delay.
const maxWait = 366 * 24 * 3600

// action is a compiled Action. Which of the fields count depends on what it does.
type action struct {
	do        string // one of the act constants
	set       *setter
	result    *resultSetter
	addresses []netip.Addr
	text      string // a tag, or a pool
	fail      delivery.Refusal
	ownReply  bool // fail: code and description were not said
	wait      time.Duration
	smarthost queue.Smarthost
}

// compileAction reads an action of a rewrite rule, or of a response pattern.
func compileAction(r *Action, response bool, pools *pools) (*action, error) {
	a := &action{do: actionName(r.Type)}
	value := strings.TrimSpace(r.Value)
	var err error
	switch a.do {
	case actSet:
		if response && isOverride(r.Property) {
			a.do = actSetResult
			a.result, err = compileResultSetter(r.Property, r.Value)
			break
		}
		a.set, err = compileSetter(r.Property, r.Value, pools)
	case actSetResult:
		if !response {
			return nil, wrong("type", " %q: expected it in a response pattern: before an attempt there is no result", r.Type)
		}
		a.result, err = compileResultSetter(r.Property, r.Value)
	case actAddIP, actSetIP, actRemoveIP:
		a.addresses, err = parseAddrs(value)
	case actSetPool:
		a.text, err = parsePool(value, pools)
	case actUnsetPool:
	case actAddTag, actRemoveTag:
		if a.text = value; value == "" {
			err = wrong("value", ": expected a tag")
		}
	case actFail:
		a.fail, a.ownReply, err = parseFailure(value)
	case actDelay, actRetry:
		a.do = actDelay
		if response {
			a.do = actRetry
		}
		a.wait, err = parseSeconds(value)
	case actSmarthost:
		a.smarthost, err = parseSmarthost(value)
	default:
		err = wrong("type", " %q: expected one of %s", r.Type, actionNames(response))
	}
	return a, err
}

// actionNames lists the types there are.
func actionNames(response bool) string {
	var names []string
	for _, t := range ActionTypes() {
		if response && t.Response || !response && t.Rewrite {
			names = append(names, t.Name)
		}
	}
	return strings.Join(names, ", ")
}

func parseAddr(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || ip.Zone() != "" {
		return ip, wrong("value", " %q: expected an IP address", text)
	}
	return clean(ip), nil
}

func parseAddrs(text string) (list []netip.Addr, err error) {
	for one := range strings.FieldsFuncSeq(text, func(c rune) bool { return c == ',' || c == ' ' || c == ';' }) {
		ip, err := parseAddr(one)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(list, ip) {
			list = append(list, ip)
		}
	}
	if len(list) == 0 {
		return nil, wrong("value", ": expected IP addresses, separated by commas")
	}
	return list, nil
}

func parsePool(name string, pools *pools) (string, error) {
	if name == "" || pools != nil && !pools.has(strings.ToLower(name)) {
		return "", wrong("value", " %q: expected the name of a pool", name)
	}
	return name, nil
}

func parseSeconds(text string) (time.Duration, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > maxWait {
		return 0, wrong("value", " %q: expected seconds, from 1 to %d", text, maxWait)
	}
	return time.Duration(n) * time.Second, nil
}

// parseFailure reads "550 5.7.1 unwanted", each part of which may be missing. With none of them the failure is that of
// the reply, where there is one.
func parseFailure(text string) (f delivery.Refusal, ownReply bool, err error) {
	var code int64
	first, rest, _ := strings.Cut(text, " ")
	if n, notNumber := strconv.ParseUint(first, 10, 63); notNumber == nil {
		code, text = int64(n), strings.TrimSpace(rest)
		if code < 400 || code > 599 {
			return f, false, wrong("value", ": code %d: expected one from 400 to 599", code)
		}
	}
	var status string
	first, rest, _ = strings.Cut(text, " ")
	if validStatus(first) {
		status, text = first, strings.TrimSpace(rest)
	}
	if code == 0 && status != "" {
		code = int64(status[0]-'0')*100 + 50
	}
	ownReply = code == 0
	f.Code, f.Status, err = codeAndStatus(code, status)
	if err != nil {
		return f, false, wrong("value", ": %v", err)
	}
	f.Description = cmp.Or(text, "refused by a rule of an operator")
	return f, ownReply && text == "", nil
}

// parseSmarthost reads host:port, with or without user:password@ before it. Its errors do not show the text, which may
// hold a password.
func parseSmarthost(text string) (s queue.Smarthost, err error) {
	host := text
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		host = text[i+1:]
		s.Username, s.Password, _ = strings.Cut(text[:i], ":")
		if s.Username == "" {
			return s, wrong("value", ": expected a user name before the @")
		}
	}
	port := ""
	switch bracket := strings.LastIndexByte(host, ']'); {
	case strings.HasPrefix(host, "[") && bracket > 0:
		host, port = host[1:bracket], strings.TrimPrefix(host[bracket+1:], ":")
	case strings.Count(host, ":") == 1:
		host, port, _ = strings.Cut(host, ":")
	}
	if _, notIP := netip.ParseAddr(host); notIP != nil && !addr.ValidDomain(host, addr.Loose|addr.UTF8) {
		return queue.Smarthost{}, wrong("value",
			": expected host:port, the host a name or an address; an IPv6 address in brackets")
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return queue.Smarthost{}, wrong("value", ": expected a port from 1 to 65535 behind the host")
		}
		s.Port = int(n)
	}
	s.Hostname = host
	return s, nil
}

// change carries out what an action does to the message itself, and reports whether rules may select it otherwise by
// that.
func (s *Set) change(a *action, m *queue.Message) (selects bool) {
	switch a.do {
	case actSet:
		return a.set.set(m)
	case actAddIP:
		m.IPs = appendMissing(s.addressesOf(m), a.addresses)
	case actSetIP:
		m.IPs = appendMissing(nil, a.addresses)
	case actRemoveIP:
		list := s.addressesOf(m)
		if list == nil {
			return false
		}
		m.IPs = slices.DeleteFunc(list, func(text string) bool { return slices.Contains(a.addresses, addrOf(text)) })
	case actSetPool:
		m.Pool, m.IPs = a.text, nil
	case actUnsetPool:
		m.Pool = ""
	case actAddTag:
		if slices.Contains(m.Tags, a.text) {
			return false
		}
		m.Tags = append(append(make([]string, 0, len(m.Tags)+1), m.Tags...), a.text)
	case actRemoveTag:
		if !slices.Contains(m.Tags, a.text) {
			return false
		}
		m.Tags = slices.DeleteFunc(slices.Clone(m.Tags), func(t string) bool { return t == a.text })
	case actSmarthost:
		m.Smarthost = fresh(&a.smarthost)
		putExtra(&m.Extra, "smarthost", nil)
		return false
	default:
		return false
	}
	return true
}

// addressesOf returns the addresses that a message may leave from, in new memory; nil: from any.
func (s *Set) addressesOf(m *queue.Message) []string {
	var from []netip.Addr
	switch {
	case m.IPs != nil:
		return append(make([]string, 0, len(m.IPs)+1), m.IPs...)
	case m.Pool != "":
		from = s.Pool(m.Pool)
	default:
		from = s.defaults
	}
	if len(from) == 0 {
		return nil
	}
	return appendMissing(nil, from)
}

func appendMissing(list []string, addresses []netip.Addr) []string {
	for _, a := range addresses {
		if !slices.ContainsFunc(list, func(text string) bool { return addrOf(text) == a }) {
			list = append(list, a.String())
		}
	}
	return list
}

// addrOf reads an address of a message; the zero Addr when it is none.
func addrOf(text string) netip.Addr {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return clean(ip)
}

// compileActions reads the actions of a rule; bad are the ids of actions that make no sense.
func (c *compiler) compileActions(rows []Action, response bool, table string) (list []action, bad []int64) {
	for i := range rows {
		a, err := compileAction(&rows[i], response, &c.set.pools)
		if err != nil {
			c.problemOnce(table, rows[i].ID, err)
			bad = append(bad, rows[i].ID)
			continue
		}
		list = append(list, *a)
	}
	return list, bad
}

// resultSetter sets a property of a result.
type resultSetter struct {
	path []string
	raw  []byte // nil removes
	code int
	text string
	flag *bool // of overrides
}

// isOverride reports whether a property overrides how the reply of its result is judged.
func isOverride(pointer string) bool {
	switch strings.TrimPrefix(strings.TrimSpace(pointer), "/") {
	case "fatal", "individual", "strange", "greylisted", "fallback":
		return true
	}
	return false
}

func compileResultSetter(pointer, text string) (*resultSetter, error) {
	path, err := parsePointer(pointer)
	if err != nil {
		return nil, err
	}
	r := &resultSetter{path: path}
	raw, _ := parseValue(text)
	if r.raw = raw; isNull(raw) {
		r.raw = nil
	}
	texts(raw, func(s string) bool {
		r.text = s
		return false
	})
	switch name := path[0]; {
	case isOverride(name):
		err = r.compileOverride()
	case name == "code":
		n, bad := strconv.Atoi(r.text)
		if r.code = n; bad != nil || n < 200 || n > 599 {
			err = wrong("value", ": expected a reply code from 200 to 599")
		}
	case name == "status":
		if !validStatus(r.text) {
			err = wrong("value", ": expected an enhanced status code such as 5.7.1")
		}
	case name == "description":
	case name == "class":
		_, err = parseClass("value", r.text)
	case isFact(name):
		err = wrong("property", " %q: expected one that may change; it tells what happened", name)
	default:
		return r, nil
	}
	if err == nil && len(path) > 1 {
		err = wrong("property", ": expected nothing behind /%s", path[0])
	}
	return r, err
}

// isFact knows the properties of results that no rule sets.
func isFact(name string) bool {
	switch name {
	case "state", "result", "time", "mta", "from", "to", "messages", "sent", "dsn", "authentication", "cipher",
		"certificate":
		return true
	}
	return false
}

func (r *resultSetter) compileOverride() error {
	if r.raw == nil {
		return nil
	}
	yes := true
	switch strings.ToLower(r.text) {
	case "true", "1", "yes", "on":
		r.raw = []byte("true")
	case "false", "0", "no", "off":
		yes, r.raw = false, []byte("false")
	default:
		return wrong("value", ": expected true or false, or null for neither")
	}
	r.flag = &yes
	return nil
}

// apply sets the property in a result, and the override that it stands for in a decision.
func (r *resultSetter) apply(result *queue.Result, d *delivery.Decision) {
	switch name := r.path[0]; name {
	case "code":
		result.Code = r.code
		return
	case "status":
		result.Status = r.text
		return
	case "description":
		result.Description = r.text
		return
	case "class":
		result.Class = queue.Class(r.text)
		return
	case "fatal":
		d.Fatal = fresh(r.flag)
	case "individual":
		d.Individual = fresh(r.flag)
	case "strange":
		d.Strange = fresh(r.flag)
	case "greylisted":
		d.Greylisted = fresh(r.flag)
	case "fallback":
		d.Fallback = fresh(r.flag)
	}
	if raw, ok := edit(compacted(result.Extra[r.path[0]]), r.path[1:], bytes.Clone(r.raw)); ok {
		putExtra(&result.Extra, r.path[0], raw)
	}
}

// failure is what an action of type fail makes of a reply.
func (a *action) failure(rule string, result *queue.Result) *delivery.Refusal {
	f := a.fail
	if f.Rule = rule; a.ownReply && result != nil && result.Code >= 400 && result.Code <= 599 {
		f.Code, f.Status = result.Code, result.Status
		f.Description = cmp.Or(result.Description, f.Description)
		if f.Status == "" {
			f.Status = fmt.Sprintf("%d.0.0", f.Code/100)
		}
	}
	return &f
}
