package receivers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// TestWhatNeedsNoReply has a class by the step at which an attempt ended.
func TestWhatNeedsNoReply(t *testing.T) {
	for _, c := range []struct {
		class  queue.Class
		result queue.Result
	}{
		{"", queue.Result{State: queue.StateMessage, Result: queue.Accepted, Code: 250, Description: "user unknown"}},
		{queue.ClassSuppressed, queue.Result{State: queue.StateSuppression, Result: queue.Error, Code: 550, Status: "5.7.1"}},
		{queue.ClassExpired, queue.Result{State: queue.StateProcess, Result: queue.Timeout, Code: 554, Status: "5.4.7"}},
		{queue.ClassRefusedHere, queue.Result{State: queue.StateProcess, Result: queue.Error, Code: 550, Status: "5.7.1"}},
		{queue.ClassRefusedHere, queue.Result{State: queue.StateRewrite, Result: queue.Error, Code: 450, Status: "4.7.1"}},
		{queue.ClassAddressUnknown,
			queue.Result{State: queue.StateProcess, Result: queue.Invalid, Code: 550, Status: "5.1.3"}},
		{queue.ClassFailedHere, queue.Result{State: queue.StateProcess, Result: queue.Invalid, Code: 554, Status: "5.6.0"}},
		{queue.ClassFailedHere, queue.Result{State: queue.StateProcess, Result: queue.Error, Code: 554, Status: "5.6.0"}},
		{queue.ClassFailedHere, queue.Result{State: queue.StateBind, Result: queue.Error, Code: 550, Status: "5.3.5"}},
		{queue.ClassFailedHere, queue.Result{State: queue.StateStorage, Result: queue.Lost, Code: 554, Status: "5.3.0"}},
		{queue.ClassFailedHere, queue.Result{State: queue.StatePersonalize, Result: queue.Error}},
		{queue.ClassDNS, queue.Result{State: queue.StateDNS, Result: queue.Error, Code: 451, Status: "4.4.3"}},
		{queue.ClassDNS, queue.Result{State: queue.StateDNS, Result: queue.Timeout, Code: 451}},
		{queue.ClassDomainUnknown, queue.Result{State: queue.StateDNS, Result: queue.Error, Code: 556, Status: "5.1.10"}},
		{queue.ClassLoop, queue.Result{State: queue.StateDNS, Result: queue.Error, Code: 554, Status: "5.4.6"}},
		{queue.ClassNetwork, queue.Result{State: queue.StateConnect, Result: queue.Error, Code: 451, Status: "4.4.1"}},
		{queue.ClassNetwork, queue.Result{State: queue.StateHandshake, Result: queue.Error}},
		{queue.ClassNetwork, queue.Result{State: queue.StateRcptTo, Result: queue.Timeout}},
		{queue.ClassNetwork, queue.Result{State: queue.StateMessage, Result: queue.Lost}},
		{queue.ClassTLS, queue.Result{State: queue.StateStartTLS, Result: queue.Error, Code: 454, Status: "4.7.0"}},
		{queue.ClassLogin, queue.Result{State: queue.StateAuthCRAM, Result: queue.Error, Code: 535, Status: "5.7.8"}},
		{queue.ClassProtocol, queue.Result{State: queue.StateIntro, Result: queue.Invalid, Description: "expected a code"}},
		{queue.ClassTooLarge, queue.Result{State: queue.StateMailFrom, Result: queue.Invalid, Code: 552, Status: "5.3.4"}},
		{queue.ClassOther, queue.Result{State: queue.StateRcptTo, Result: queue.Error, Code: 550, Description: "no"}},
		{queue.ClassOther, queue.Result{State: queue.StateUnknown}},
	} {
		require.Equal(t, c.class, Standard().Class(&c.result, "mx.example.com"), "%+v", c.result)
	}
	var none Book
	require.Equal(t, queue.ClassOther, none.Class(&queue.Result{State: queue.StateData, Code: 550}, "mx.example.com"))
}

// classOf returns the class that a book has for a reply.
func classOf(b *Book, mx, status, text string) queue.Class {
	return b.Class(&queue.Result{State: queue.StateMessage, Result: queue.Error, Code: 550, Status: status,
		Description: text}, mx)
}

func TestOrder(t *testing.T) {
	b, problems := Extend("own.txt", `
group: general

class: policy
text: user unknown
example: 550 user unknown

group: example
mx: mx.example.com
title: Example

class: virus
status: 5.1.1

group: gmail

class: loop
text: does not exist
`)
	require.Empty(t, problems)
	require.Equal(t, queue.ClassPolicy, classOf(b, "mx.example.net", "5.1.1", "User unknown"))
	require.Equal(t, queue.ClassVirus, classOf(b, "mx.example.com", "5.1.1", "User unknown"), "a group's rules come first")
	require.Equal(t, queue.ClassAddressUnknown, classOf(b, "mx.example.com", "5.1.6", "not our customer"))
	const gone = "The email account that you tried to reach does not exist."
	require.Equal(t, queue.ClassLoop, classOf(b, "aspmx.l.google.com", "5.1.1", gone), "an operator's rules come first")
	require.Equal(t, queue.ClassAddressUnknown, classOf(b, "mx.example.org", "5.1.1", gone), "not about others")
	require.Equal(t, queue.ClassPolicy, classOf(b, "mfsmax.docomo.ne.jp", "5.1.1", "x User unknown: unknown user"),
		"an operator's general rule comes before a standard one about a group")
}

func TestReplacing(t *testing.T) {
	b,
		problems := Extend("own.txt",
		"group: gmail\nreplace: yes\nmx: mx.example.com\ntitle: Own\n\nclass: virus\ntext: xyzzy\n\n"+
			"group: general\nreplace: yes\n")
	require.Empty(t, problems)
	require.Equal(t, queue.ClassVirus, classOf(b, "mx.example.com", "5.1.1", "xyzzy"))
	require.Empty(t, b.Group("aspmx.l.google.com"))
	require.Equal(t, queue.ClassOther, classOf(b, "mx.example.com", "5.1.1",
		"account that you tried to reach does not exist"))
	require.Equal(t, "yahoo", b.Group("mta5.am0.yahoodns.net"))
	require.Equal(t, queue.ClassPolicy, classOf(b, "mta5.am0.yahoodns.net", "5.7.9", "not accepted for policy reasons"))
}

func TestWords(t *testing.T) {
	b, problems := Extend("own.txt", `group: general

class: virus
text: left * right

class: loop
text: "  [AB 12]  "

class: content
text: Ünïcode
text: "tab here *"
`)
	require.Empty(t, problems)
	for text, class := range map[string]queue.Class{
		"LEFT and\n then\tRight": queue.ClassVirus, "right left": queue.ClassOther, "leftright": queue.ClassVirus,
		"x [ab 12] y": queue.ClassLoop, "[AB   12]": queue.ClassLoop, "x[ab 12]y": queue.ClassOther,
		"Ünïcode": queue.ClassContent, "x tab here y": queue.ClassContent, "tab\x00here\x7f": queue.ClassContent,
	} {
		require.Equal(t, class, classOf(b, "", "", text), text)
	}
}

// TestBrokenFiles names file and line of what makes no sense, says what was expected, and keeps the rest.
func TestBrokenFiles(t *testing.T) {
	const good = "group: general\n\nclass: loop\ntext: xyzzy\n\n"
	for _, c := range []struct {
		data, says string
		line       int
	}{
		{"class: policy\ntext: abcd\n", "expected a group before the first rule", 1},
		{good + "class: policies\ntext: abcd\n", `class: "policies": expected one of address-unknown, `, 6},
		{good + "class: policy\n", "expected code, status or text", 6},
		{good + "class: policy\ntext: a*b*c\n", "at least 4 characters in a row", 7},
		{good + "class: policy\ncode: 250\n", `"250": expected codes such as 550`, 7},
		{good + "class: policy\ncode: 560-550\n", "expected codes", 7},
		{good + "class: policy\nstatus: 5.7\n", "expected enhanced codes", 7},
		{good + "class: policy\nstatus: 2.1.1\n", "expected enhanced codes", 7},
		{good + "class: policy\nstatus: 5.7.9-1\n", "expected enhanced codes", 7},
		{good + "class: policy\nstatus: 5.7.1000\n", "expected enhanced codes", 7},
		{good + "class: policy\ntext: abcd\nsource: www.example.com\n", "expected a URL", 8},
		{good + "class: policy\ntext: abcd\ndate: 15.2.2026\n", "expected a date such as", 8},
		{good + "class: policy\ntext: abcd\nconfidence: high\n", "expected published, seen or choice", 8},
		{good + "class: policy\ntext: abcd\nexample: 550 efgh\n", "expected a reply that its rule is about", 8},
		{good + "class: policy\ntext: abcd\nexample: abcd\n", "expected a reply, which begins with its code", 8},
		{good + "class: policy\ntext: abcd\nmx: mx.example.com\n", "expected it beside a group", 8},
		{good + "class: policy\ntext abcd\n", "expected a colon behind one of group, ", 7},
		{good + "class: policy\nwords: abcd\n", "expected a colon behind one of group, ", 7},
		{good + "class: policy\ntext:\n", "text: expected a value", 7},
		{good + "date: tomorrow\n", "expected a date", 6},
		{good + "title: Somebody\n", "expected it in a rule, which has a class", 6},
		{good + "group: example\nmx: com\n", "expected what names of MX hosts end with", 7},
		{good + "group: example\nmx: MX.example.com\n", "expected what names of MX hosts end with", 7},
		{good + "group: example\nmx: mx.*.com\n", "expected what names of MX hosts end with", 7},
		{good + "group: Ex ample\nmx: mx.example.com\n\nclass: virus\ntext: xyzzy\n", "expected small letters", 6},
		{good + "group: example\nmx: mx.example.com\nreplace: maybe\n", "expected yes or no", 8},
		{good + "group: example\n", "expected mx: no file has hosts of the group example", 6},
		{good + "group: general\nmx: mx.example.com\n", "expected none for general", 6},
		{good + "class: policy\ntext: " + strings.Repeat("a", maxLine) + "\n", "expected lines of at most", 7},
		{good + "class: policy\ntext: abcd\xff\n", "expected UTF-8", 1},
	} {
		b, problems := Extend("own.txt", c.data)
		require.Len(t, problems, 1, c.data)
		require.Equal(t, "own.txt", problems[0].File)
		require.Equal(t, c.line, problems[0].Line, c.says)
		require.ErrorContains(t, problems[0], c.says)
		if strings.HasPrefix(c.data, good) && !strings.Contains(c.data, "\xff") {
			require.Equal(t, queue.ClassLoop, classOf(b, "", "", "xyzzy"), "what makes sense is in force: %s", c.says)
		}
		require.Equal(t, queue.ClassAddressUnknown, classOf(b, "", "", "user unknown"))
	}
	_, problems := Extend("own.txt", strings.Repeat("x\n", 1000))
	require.Len(t, problems, maxProblems)
}

// hostile are replies that are meant to cost much.
func hostile() []string {
	var grams strings.Builder
	for _, r := range Standard().Rules() {
		for _, text := range r.texts {
			grams.Write(text[0][:len(text[0])-1])
		}
	}
	return []string{strings.Repeat("user unknow", 10000), strings.Repeat("\x00", 100000),
		strings.Repeat("\xff\xfe", 50000),
		strings.Repeat("a", 100000), grams.String() + grams.String(), strings.Repeat("\n \t", 40000)}
}

func TestHostileRepliesCostBoundedTime(t *testing.T) {
	for i, text := range hostile() {
		best := time.Hour
		for range 20 {
			start := time.Now()
			classOf(Standard(), "gmail-smtp-in.l.google.com", "5.1.1", text)
			best = min(best, time.Since(start))
		}
		require.Less(t, best, 20*time.Millisecond, i)
	}
}

// many is a book with 1,000 rules more.
func many(tb testing.TB) *Book {
	var b strings.Builder
	b.WriteString("group: general\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "\nclass: policy\ntext: mailbox %d is closed by rule %d\n", i, i*7919)
	}
	book, problems := Extend("many.txt", b.String())
	require.Empty(tb, problems)
	return book
}

var replies = map[string]queue.Result{
	"short": {State: queue.StateRcptTo, Result: queue.Error, Code: 550, Status: "5.1.1",
		Description: "<kijitora@example.jp>... User Unknown"},
	"long": {State: queue.StateMessage, Result: queue.Error, Code: 550, Status: "5.7.26",
		Description: "Unauthenticated email from libsisimai.org is not accepted due to domain's DMARC policy. Please contact " +
			"the administrator of libsisimai.org domain if this was a legitimate mail. Please visit " +
			"https://support.google.com/mail/answer/2451690 to learn about the DMARC initiative. z2si1584129pfn.61 - gsmtp"},
	"unknown": {State: queue.StateRcptTo, Result: queue.Error, Code: 554,
		Description: "Go and see a doctor about that, please"},
	"codes":   {State: queue.StateRcptTo, Result: queue.Error, Code: 550, Status: "5.1.1", Description: "neko"},
	"success": {State: queue.StateMessage, Result: queue.Accepted, Code: 250, Description: "queued as 123"},
}

func TestNothingIsAllocated(t *testing.T) {
	b := many(t)
	for name, r := range replies {
		require.Zero(t, testing.AllocsPerRun(100, func() { b.Class(&r, "gmail-smtp-in.l.google.com") }), name)
	}
}

// BenchmarkClass is with 1,000 rules more than the standard ones.
func BenchmarkClass(b *testing.B) {
	book := many(b)
	for name, r := range replies {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				book.Class(&r, "gmail-smtp-in.l.google.com")
			}
		})
	}
	for i, text := range hostile() {
		r := queue.Result{State: queue.StateRcptTo, Result: queue.Error, Code: 550, Description: text}
		b.Run(fmt.Sprint("hostile", i), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				book.Class(&r, "gmail-smtp-in.l.google.com")
			}
		})
	}
}

func BenchmarkExtend(b *testing.B) {
	for b.Loop() {
		Extend("own.txt", "")
	}
}

func FuzzExtend(f *testing.F) {
	for _, s := range standardFiles() {
		f.Add(s.data[:1500])
	}
	f.Add("group: a\nmx: mx*.example.com\nreplace: yes\n\nclass: virus\nstatus: x.7.*\ncode: 5xx\ntext: \" a * b*cdef\"\n  more\n")
	f.Fuzz(func(t *testing.T, data string) {
		b, problems := build([]source{{"own.txt", data}})
		for _, p := range problems {
			require.NotEmpty(t, p.Text)
			require.Positive(t, p.Line)
		}
		for i := range b.rules {
			if r := &b.rules[i]; r.File == "own.txt" {
				for _, e := range r.Examples {
					require.NotNil(t, b.Rule(e.Code, e.Status, e.Description, r.Group))
				}
			}
		}
		classOf(b, "mx1.example.com", "5.7.1", data)
	})
}
