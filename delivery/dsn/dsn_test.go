package dsn_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/report"
	"github.com/sluicemail/sluice/delivery/dsn"
	"github.com/sluicemail/sluice/internal/testserver"
	"github.com/sluicemail/sluice/queue"
)

const sent = "From: Ann <ann@shop.test>\r\nTo: jo@example.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"Message-ID: <1@shop.test>\r\n\r\nHello Jo\r\n"

var received = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// letter is a message whose attempts ended with results.
func letter(results ...queue.Result) *queue.Message {
	for i := range results {
		if results[i].Time.IsZero() {
			results[i].Time = received.Add(time.Duration(i+1) * 10 * time.Minute)
		}
	}
	return &queue.Message{Envelope: "ann@shop.test", Recipient: "jo@example.test", Body: queue.Bytes(sent),
		Received: received, Results: results}
}

func refused() queue.Result {
	return queue.Result{State: queue.StateRcptTo, Result: queue.Error, Code: 550, Status: "5.1.1", MTA: "mx.example.test",
		To: "192.0.2.9", Description: "no such user here", Class: queue.ClassAddressUnknown}
}

func notifier() *dsn.Notifier { return &dsn.Notifier{Host: "mta.shop.test"} }

// tell is one of the methods of a Notifier.
type tell func(n *dsn.Notifier, m *queue.Message) *queue.Message

var (
	failed, relayed, delivered tell = (*dsn.Notifier).Failed, (*dsn.Notifier).Relayed, (*dsn.Notifier).Delivered
	delayed                    tell = func(n *dsn.Notifier, m *queue.Message) *queue.Message {
		return n.Delayed(m, received.Add(24*time.Hour))
	}
)

// made returns the mail of the one notification that is due.
func made(t *testing.T, n *dsn.Notifier, m *queue.Message, ev tell) (string, *queue.Message) {
	t.Helper()
	notice := ev(n, m)
	require.NotNil(t, notice)
	require.Empty(t, notice.Envelope, "a notification has the null sender")
	mail, err := queue.ReadBody(notice.Body)
	require.NoError(t, err)
	return string(mail), notice
}

// read returns what the mail reports, read by the package that reads those of others.
func read(t *testing.T, mail string) *report.Report {
	t.Helper()
	r, err := report.Parse(strings.NewReader(mail), int64(len(mail)))
	require.NoError(t, err, "%s", mail)
	require.NotNil(t, r.Delivery, "%s", mail)
	require.False(t, r.Delivery.Odd)
	return r
}

func TestFailure(t *testing.T) {
	n := notifier()
	m := letter(refused())
	m.DSN = &queue.DSN{EnvID: "order 7", ORcpt: "rfc822;joe@example.test"}
	mail, to := made(t, n, m, failed)
	require.Equal(t, "ann@shop.test", to.Recipient)

	r := read(t, mail)
	require.Equal(t, "order 7", r.Delivery.EnvelopeID)
	require.Contains(t, r.Delivery.ReportingMTA, "mta.shop.test")
	require.WithinDuration(t, received, r.Delivery.Arrival, 0)
	require.Len(t, r.Delivery.Recipients, 1)
	who := r.Delivery.Recipients[0]
	require.Equal(t, "joe@example.test", who.Original)
	require.Equal(t, "jo@example.test", who.Final)
	require.Equal(t, report.ActionFailed, who.Action)
	require.Equal(t, "5.1.1", who.Status)
	require.Equal(t, 550, who.Code)
	require.Contains(t, who.RemoteMTA, "mx.example.test")
	require.Contains(t, r.Delivery.Original.MessageID, "1@shop.test")

	header, _, _ := strings.Cut(mail, "\r\n\r\n")
	for _, line := range []string{"From: Mail Delivery System <postmaster@mta.shop.test>", "To: <ann@shop.test>",
		"Subject: Your mail could not be delivered", "Auto-Submitted: auto-replied", "In-Reply-To: <1@shop.test>"} {
		require.Contains(t, "\r\n"+header+"\r\n", "\r\n"+line+"\r\n")
	}
	require.Contains(t, mail, "Diagnostic-Code: smtp; 550 5.1.1 no such user here\r\n")
	require.Contains(t, mail, "Nobody has this address there.", "people are told why")
	require.NotContains(t, mail, "Hello Jo", "the header is returned, not the text")
	require.NotContains(t, strings.ReplaceAll(mail, "\r\n", ""), "\n", "each line ends with CRLF")
}

// An independent reader understands the parts: Python's email package.
func TestOthersReadIt(t *testing.T) {
	testserver.Need(t, "python3")
	m := letter(refused())
	m.DSN = &queue.DSN{Ret: "FULL"}
	mail, _ := made(t, notifier(), m, failed)
	const script = `
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
status = m.get_payload(1).get_payload()
print(json.dumps({"type": m.get_content_type(), "report": m.get_param("report-type"),
 "parts": [p.get_content_type() for p in m.iter_parts()], "defects": [str(d) for p in m.walk() for d in p.defects],
 "action": status[1]["Action"], "final": status[1]["Final-Recipient"], "text": m.get_payload(0).get_content(),
 "original": m.get_payload(2).get_payload(0).get_payload()}))`
	c := exec.CommandContext(t.Context(), "python3", "-c", script)
	c.Stdin = strings.NewReader(mail)
	out, err := c.Output()
	require.NoError(t, err)
	var got struct {
		Type, Report, Action, Final, Text, Original string
		Parts, Defects                              []string
	}
	require.NoError(t, json.Unmarshal(out, &got), "%s", out)
	require.Equal(t, "multipart/report", got.Type)
	require.Equal(t, "delivery-status", got.Report)
	require.Equal(t, []string{"text/plain", "message/delivery-status", "message/rfc822"}, got.Parts)
	require.Empty(t, got.Defects)
	require.Equal(t, "failed", got.Action)
	require.Equal(t, "rfc822; jo@example.test", got.Final)
	require.Contains(t, got.Text, `Your mail "Grüße" could not be delivered to`)
	require.Equal(t, "Hello Jo", strings.TrimSpace(got.Original))
}

func TestWhetherAndToWhom(t *testing.T) {
	ok := queue.Result{State: queue.StateMessage, Result: queue.Accepted, Code: 250}
	passedOn := ok
	passedOn.DSN = true
	for _, c := range []struct {
		name   string
		change func(n *dsn.Notifier, m *queue.Message)
		event  tell
		result queue.Result
		want   string // recipient
	}{
		{"as configured", nil, failed, refused(), "ann@shop.test"},
		{"never", func(_ *dsn.Notifier, m *queue.Message) { m.DSN = &queue.DSN{Notify: []string{"NEVER"}} },
			failed, refused(), ""},
		{"never by default", func(n *dsn.Notifier, _ *queue.Message) { n.Notify = []string{"NEVER"} },
			failed, refused(), ""},
		{"success only", func(_ *dsn.Notifier, m *queue.Message) { m.DSN = &queue.DSN{Notify: []string{"SUCCESS"}} },
			failed, refused(), ""},
		{"success not asked for", nil, relayed, ok, ""},
		{"success", func(_ *dsn.Notifier, m *queue.Message) { m.DSN = &queue.DSN{Notify: []string{"failure", "success"}} },
			relayed, ok, "ann@shop.test"},
		{"success is passed on", func(n *dsn.Notifier, _ *queue.Message) { n.Notify = []string{"SUCCESS"} },
			relayed, passedOn, ""},
		{"into a mailbox", func(n *dsn.Notifier, _ *queue.Message) { n.Notify = []string{"SUCCESS"} },
			delivered, ok, "ann@shop.test"},
		{"no sender", func(_ *dsn.Notifier, m *queue.Message) { m.Envelope = "" }, failed, refused(), ""},
		{"double bounce", func(n *dsn.Notifier, m *queue.Message) { m.Envelope, n.DoubleTo = "", "bad" },
			failed, refused(), "bad@mta.shop.test"},
		{"the double bounce itself", func(n *dsn.Notifier, m *queue.Message) {
			m.Envelope, n.DoubleTo, m.Recipient = "", "bad", "Bad@MTA.shop.test"
		}, failed, refused(), ""},
		{"no double notice of success", func(n *dsn.Notifier, m *queue.Message) {
			m.Envelope, n.DoubleTo, n.Notify = "", "bad", []string{"SUCCESS"}
		}, relayed, ok, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, m := notifier(), letter(c.result)
			if c.change != nil {
				c.change(n, m)
			}
			got := ""
			if notice := c.event(n, m); notice != nil {
				got = notice.Recipient
			}
			require.Equal(t, c.want, got)
		})
	}
}

// A mail that is late is told of once: by the first attempt that fails after its time.
func TestDelay(t *testing.T) {
	n := notifier()
	n.Notify = []string{"DELAY"}
	later := queue.Result{State: queue.StateConnect, Result: queue.Timeout, Code: 451, Status: "4.4.1",
		Class: queue.ClassNetwork}
	m := letter()
	told := 0
	for i := range 20 {
		later.Time = received.Add(time.Duration(i) * 30 * time.Minute)
		m.Results = append(m.Results, later)
		if notice := delayed(n, m); notice != nil {
			told++
			require.Equal(t, 8, i, "at four hours")
			mail, err := queue.ReadBody(notice.Body)
			require.NoError(t, err)
			r := read(t, string(mail)).Delivery.Recipients[0]
			require.Equal(t, report.ActionDelayed, r.Action)
			require.Equal(t, "4.4.1", r.Status)
			require.Contains(t, string(mail), "Will-Retry-Until: Thu, 05 Mar 2026 05:06:07 +0000\r\n")
			require.Contains(t, string(mail), "No server that takes mail for the recipient could be reached")
		}
	}
	require.Equal(t, 1, told)
}

// TestLateMail tells of a mail once, at the time that its sender asked for, and counts its age from when it was to go.
func TestLateMail(t *testing.T) {
	at := func(after time.Duration) time.Time { return received.Add(after) }
	notify := func(after time.Duration) *queue.DeliverBy {
		return &queue.DeliverBy{Time: at(after),
			Mode: queue.DeliverByNotify}
	}
	for name, tt := range map[string]struct {
		change func(m *queue.Message)
		told   int // the attempt, one each half hour, that is told of
	}{
		"by default":          {func(*queue.Message) {}, -1},
		"when it is late":     {func(m *queue.Message) { m.DeliverBy = notify(time.Hour) }, 2},
		"it was late already": {func(m *queue.Message) { m.DeliverBy = notify(-time.Hour) }, 0},
		"it is returned instead": {func(m *queue.Message) {
			m.DeliverBy = &queue.DeliverBy{Time: at(time.Hour),
				Mode: queue.DeliverByReturn}
		}, -1},
		"failures only": {func(m *queue.Message) {
			m.DeliverBy, m.DSN = notify(time.Hour), &queue.DSN{Notify: []string{"FAILURE"}}
		}, -1},
		"delays": {func(m *queue.Message) { m.DSN = &queue.DSN{Notify: []string{"DELAY"}} }, 8},
		"delays, from its release": {func(m *queue.Message) {
			m.DSN, m.HoldUntil = &queue.DSN{Notify: []string{"DELAY"}}, at(time.Hour)
		}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			m := letter()
			tt.change(m)
			told := -1
			for i := range 20 {
				m.Results = append(m.Results, queue.Result{State: queue.StateConnect, Result: queue.Timeout, Code: 451,
					Time: at(time.Duration(i) * 30 * time.Minute)})
				if delayed(notifier(), m) != nil {
					require.Equal(t, -1, told, "once")
					told = i
				}
			}
			require.Equal(t, tt.told, told)
		})
	}
}

// TestTrace tells of each server that takes a mail whose sender asked for that, also of those that tell themselves.
func TestTrace(t *testing.T) {
	taken := queue.Result{State: queue.StateMessage, Result: queue.Accepted, Code: 250, DSN: true}
	m := letter(taken)
	require.Nil(t, relayed(notifier(), m))
	m.DeliverBy = &queue.DeliverBy{Time: received.Add(time.Hour), Mode: queue.DeliverByReturn, Trace: true}
	require.NotNil(t, relayed(notifier(), m))
	m.DSN = &queue.DSN{Notify: []string{"NEVER"}}
	require.Nil(t, relayed(notifier(), m))
}

func TestNotTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		n := notifier()
		n.PerHour, n.Logger = 10, slog.New(slog.NewTextHandler(&log, nil))
		send := func(to string) (made int) {
			for range 1000 {
				m := letter(refused())
				m.Envelope = to
				if n.Failed(m) != nil {
					made++
				}
			}
			return made
		}
		require.Equal(t, 10, send("forged@victim.test"))
		require.Equal(t, 10, send("other@victim.test"), "others are told")
		require.Equal(t, 2, strings.Count(log.String(), "level=WARN"), "once for each: %s", log.String())
		time.Sleep(time.Hour)
		require.Equal(t, 10, send("Forged@VICTIM.test"))
		n.PerHour = -1
		require.Equal(t, 1000, send("forged@victim.test"))
	})
}

func TestWhatIsReturned(t *testing.T) {
	long := "Subject: x\r\n" + strings.Repeat("X-Long: "+strings.Repeat("y", 900)+"\r\n", 200) + "\r\nthe text\r\n"
	large := sent + strings.Repeat(strings.Repeat("z", 76)+"\r\n", 20_000)
	for _, c := range []struct {
		name, mail, ret string
		event           tell
		has, hasNot     string
		most            int
	}{
		{"header", sent, "", failed, "text/rfc822-headers", "Hello", 4000},
		{"all", sent, "full", failed, "Hello Jo", "rfc822-headers", 4000},
		{"all, of a success", sent, "FULL", relayed, "text/rfc822-headers", "Hello", 4000},
		{"large", large, "FULL", failed, "text/rfc822-headers", "zzz", 4000},
		{"a long header", long, "HDRS", failed, "X-Long", "the text", 70_000},
		{"eight bits", "Subject: \xc3\xa4\r\n\r\nx\r\n", "", failed, "Content-Transfer-Encoding: 8bit", "", 4000},
		{"nothing", "", "FULL", failed, "Final-Recipient", "rfc822-headers", 4000},
		{"only a header", "Subject: x\r\n", "FULL", failed, "Subject: x", "", 4000},
		{"no header", "\r\nHello\r\n", "", failed, "Final-Recipient", "Hello", 4000},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := notifier()
			n.Notify, n.Ret = []string{"SUCCESS", "FAILURE"}, c.ret
			m := letter(refused())
			if m.Body = queue.Bytes(c.mail); c.mail == "" {
				m.Body = nil
			}
			mail, _ := made(t, n, m, c.event)
			read(t, mail)
			require.Contains(t, mail, c.has)
			if c.hasNot != "" {
				require.NotContains(t, mail, c.hasNot)
			}
			require.Less(t, len(mail), c.most)
		})
	}
}

func TestAddressesBeyondASCII(t *testing.T) {
	m := letter(refused())
	m.Recipient = "jö@bücher.test"
	mail, _ := made(t, notifier(), m, failed)
	require.Contains(t, mail, "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n")
	require.Contains(t, mail, "Final-Recipient: utf-8; jö@bücher.test\r\n")
	require.Contains(t, mail, "Content-Type: message/global-headers\r\n")

	m = letter(refused())
	m.DSN = &queue.DSN{ORcpt: "utf-8;jö@bücher.test"}
	mail, _ = made(t, notifier(), m, failed)
	require.Contains(t, mail, "Original-Recipient: utf-8; j\\x{F6}@b\\x{FC}cher.test\r\n")
	require.Contains(t, mail, "Content-Type: message/delivery-status\r\n")
}

// Each class is told in the words of the language, and what has a detail in the words of the whole.
func TestReasons(t *testing.T) {
	said := make(map[string]queue.Class)
	for _, class := range queue.Classes() {
		wrong, todo := class.Words()
		for _, lang := range []string{"en", "de", "nl", "fr", "es"} {
			m := letter(queue.Result{State: queue.StateRcptTo, Result: queue.Error, Code: 550, Class: class})
			m.Body = queue.Bytes("Content-Language: " + lang + "\r\n\r\n")
			n := notifier()
			n.Texts = texts(t, lang)
			mail, _ := made(t, n, m, failed)
			why := regexp.MustCompile(`(?s)<(.*)>`).FindString(plainText(t, mail))
			require.NotEmpty(t, why, "%s %s", lang, class)
			require.Equal(t, lang == "en", strings.Contains(why, wrong+" "+todo) || todo == "" && strings.Contains(why, wrong),
				"%s %s: %s", lang, class, why)
			if same, twice := said[why]; twice {
				require.Equal(t, class.Base(), same, lang)
			} else {
				said[why] = class
			}
		}
	}
	mail, _ := made(t, notifier(), letter(queue.Result{Code: 550}), failed)
	require.Contains(t, strings.ReplaceAll(mail, "=\r\n", ""), "did not take the mail", "of no class")
}

// texts are those of a language, but that a notification is nothing but why.
func texts(t *testing.T, lang string) *dsn.Texts {
	own,
		err := dsn.ReadTexts(fstest.MapFS{"failed." + lang + ".txt": {Data: []byte("From: x\nSubject: y\n\n<{{.Why}}>\n")}})
	require.NoError(t, err)
	return own
}

// plainText returns the first part of a mail, decoded.
func plainText(t *testing.T, mail string) string {
	_, part, found := strings.Cut(mail, "Content-Transfer-Encoding: quoted-printable\r\n\r\n")
	require.True(t, found)
	part, _, _ = strings.Cut(part, "\r\n--report")
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(part)))
	require.NoError(t, err)
	return string(text)
}

// When time is up, the reply before tells more.
func TestTimeIsUp(t *testing.T) {
	busy := queue.Result{State: queue.StateRcptTo, Result: queue.Error, Code: 452, Status: "4.2.2", MTA: "mx.example.test",
		Description: "mailbox full"}
	up := queue.Result{State: queue.StateProcess, Result: queue.Timeout, Code: 554, Status: "5.4.7"}
	mail, _ := made(t, notifier(), letter(busy, up), failed)
	r := read(t, mail).Delivery.Recipients[0]
	require.Equal(t, "4.2.2", r.Status)
	require.Equal(t, report.ActionFailed, r.Action)
	require.Contains(t, mail, "mailbox full")
}

func TestLanguages(t *testing.T) {
	for field, subject := range map[string]string{
		"de":             "Ihre Nachricht konnte nicht zugestellt werden",
		"nl-BE":          "Uw bericht kon niet worden bezorgd",
		"xx, es":         "Su mensaje no pudo ser entregado",
		"":               "Your mail could not be delivered",
		"../../etc/x":    "Your mail could not be delivered",
		"-":              "Your mail could not be delivered",
		"FR":             "=?utf-8?q?Votre_message_n=E2=80=99a_pas_pu_=C3=AAtre_remis?=",
		"zz-Latn-yy, de": "Ihre Nachricht konnte nicht zugestellt werden",
	} {
		m := letter(refused())
		m.Body = queue.Bytes("Content-Language: " + field + "\r\n" + sent)
		mail, _ := made(t, notifier(), m, failed)
		require.Contains(t, mail, "Subject: "+subject+"\r\n", field)
		read(t, mail)
	}
}

// The subject is quoted in any charset, as it is shown elsewhere.
func TestSubjectInAnotherCharset(t *testing.T) {
	m := letter(refused())
	m.Body = queue.Bytes("Subject: =?windows-1251?q?=CF=F0=E8=E2=E5=F2?=\r\n\r\n")
	mail, _ := made(t, notifier(), m, failed)
	require.Contains(t, mail, "Your mail \"=D0=9F=D1=80=D0=B8=D0=B2=D0=B5=D1=82\" could not")
}

func TestTextsOfAnOperator(t *testing.T) {
	texts, err := dsn.ReadTexts(fstest.MapFS{
		"failed.en.txt":  {Data: []byte("From: Help desk\r\nSubject: Sorry\r\n\r\n{{.Recipient}}: {{.Why}} Call {{.Host}}.\r\n")},
		"reasons.en.txt": {Data: []byte("address-unknown: Wrong address.\n")},
	})
	require.NoError(t, err)
	n := notifier()
	n.Texts = texts
	mail, _ := made(t, n, letter(refused()), failed)
	require.Contains(t, mail, "From: Help desk <postmaster@mta.shop.test>\r\n")
	require.Contains(t, mail, "jo@example.test: Wrong address. Call mta.shop.test.")
	m := letter(refused())
	m.Body = queue.Bytes("Content-Language: de\r\n\r\n")
	mail, _ = made(t, n, m, failed)
	require.Contains(t, mail, "Ihre Nachricht", "the rest is built in")

	for name, c := range map[string]struct{ file, text, want string }{
		"name":      {"failed.txt", "", "failed.txt: expected a name such as failed.en.txt"},
		"event":     {"lost.en.txt", "", `lost.en.txt: expected failed, delayed, relayed, delivered or reasons, got "lost"`},
		"no text":   {"failed.en.txt", "From: x", "expected From and Subject, an empty line and a text"},
		"field":     {"failed.en.txt", "To: x\n\nx", `expected From or Subject, got "To: x"`},
		"missing":   {"failed.en.txt", "From: x\n\nx", "expected From and Subject"},
		"template":  {"failed.en.txt", "From: x\nSubject: y\n\n{{.Why", "unclosed action"},
		"fact":      {"failed.en.txt", "From: x\nSubject: y\n\n{{.Password}}", "Password"},
		"reason":    {"reasons.en.txt", "\naddres: x", `line 2: expected a class, a colon and a sentence, got "addres: x"`},
		"no reason": {"reasons.en.txt", "address", "line 1: expected a class"},
	} {
		_, err := dsn.ReadTexts(fstest.MapFS{c.file: {Data: []byte(c.text)}})
		require.ErrorContains(t, err, c.want, name)
	}
}

// Every value that reaches a notification holds a line of its own, and the beginning of a part: none becomes one.
func TestNothingIsInjected(t *testing.T) {
	const evil = "x\r\nX-Evil: 1\r\n\r\n--report-\r\nAction: delivered\nX-Evil: 2\rX-Evil: 3\x00\u0085\u2028X-Evil: 4"
	for name, set := range map[string]func(n *dsn.Notifier, m *queue.Message){
		"envelope":  func(_ *dsn.Notifier, m *queue.Message) { m.Envelope = evil + "@a.test" },
		"recipient": func(_ *dsn.Notifier, m *queue.Message) { m.Recipient = evil + "@a.test" },
		"envid":     func(_ *dsn.Notifier, m *queue.Message) { m.DSN = &queue.DSN{EnvID: evil} },
		"orcpt":     func(_ *dsn.Notifier, m *queue.Message) { m.DSN = &queue.DSN{ORcpt: "rfc822;" + evil} },
		"orcpt type": func(_ *dsn.Notifier, m *queue.Message) {
			m.DSN = &queue.DSN{ORcpt: strings.ReplaceAll(evil, " ", "") + ";x"}
		},
		"ret":           func(_ *dsn.Notifier, m *queue.Message) { m.DSN = &queue.DSN{Ret: evil} },
		"client":        func(_ *dsn.Notifier, m *queue.Message) { m.Connection = &queue.Connection{RemoteIP: evil} },
		"reply":         func(_ *dsn.Notifier, m *queue.Message) { m.Results[0].Description = evil },
		"status":        func(_ *dsn.Notifier, m *queue.Message) { m.Results[0].Status = "5." + evil },
		"server":        func(_ *dsn.Notifier, m *queue.Message) { m.Results[0].MTA = evil },
		"server's IP":   func(_ *dsn.Notifier, m *queue.Message) { m.Results[0].To = evil },
		"state":         func(_ *dsn.Notifier, m *queue.Message) { m.Results[0].State = queue.ResultState(evil) },
		"subject":       original("Subject: =?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(evil)) + "?=\r\n\r\n"),
		"message-id":    original("Message-ID: <x\r\n X-Evil: 1@a.test>\r\n\r\n"),
		"language":      original("Content-Language: en\r\n\tX-Evil: 1\r\n\r\n"),
		"text":          func(_ *dsn.Notifier, m *queue.Message) { m.Recipient = "{{.}}" + evil },
		"bounce-from":   func(n *dsn.Notifier, _ *queue.Message) { n.From = evil },
		"bounce-host":   func(n *dsn.Notifier, _ *queue.Message) { n.Host = evil },
		"double-bounce": func(n *dsn.Notifier, m *queue.Message) { m.Envelope, n.DoubleTo, n.DoubleHost = "", "a", evil },
	} {
		for _, ev := range []tell{failed, relayed, delivered} {
			n, m := notifier(), letter(refused())
			n.Notify = []string{"FAILURE", "SUCCESS"}
			set(n, m)
			notice := ev(n, m)
			if notice == nil {
				continue // nobody is told of a success of a bounce
			}
			mail, err := queue.ReadBody(notice.Body)
			require.NoError(t, err)
			told, _, _ := strings.Cut(string(mail), "Content-Type: text/rfc822-headers\r\n") // what follows is as it came
			for line := range strings.SplitSeq(strings.NewReplacer("=\r\n", "", "\r\n", "\n", "\r", "\n").Replace(told), "\n") {
				require.False(t, strings.HasPrefix(line, "X-Evil"), "%s: %q", name, told)
			}
			require.Equal(t, 1, strings.Count(told, "\r\nAction: "), name)
			require.NotContains(t, told, "\x00", name)
		}
	}
}

// TestDoubleBounce goes to a user at a host of its own.
func TestDoubleBounce(t *testing.T) {
	n, m := notifier(), letter(refused())
	m.Envelope = ""
	for _, c := range []struct{ to, host, want string }{
		{"postmaster", "", "postmaster@mta.shop.test"},
		{"postmaster", "shop.test", "postmaster@shop.test"},
		{"bad@other.test", "shop.test", "bad@other.test"},
	} {
		n.DoubleTo, n.DoubleHost = c.to, c.host
		mail, notice := made(t, n, m, failed)
		require.Equal(t, c.want, notice.Recipient)
		require.Contains(t, mail, "\r\nTo: <"+c.want+">\r\n")
		require.Contains(t, mail, "<postmaster@mta.shop.test>", "the sender stays the same")
	}
	n.DoubleTo, m.Recipient = "postmaster", "Postmaster@shop.test"
	require.True(t, n.Failed(m) == nil, "and a failure of that goes nowhere")
}

// original has a message carry a mail.
func original(mail string) func(*dsn.Notifier, *queue.Message) {
	return func(_ *dsn.Notifier, m *queue.Message) { m.Body = queue.Bytes(mail) }
}

// Whatever a server, a client or a message says, the mail has the same fields and parts.
func FuzzValues(f *testing.F) {
	f.Add("a@b\r\nBcc: x@y", "r\nX: y", "e\r\n\r\nx", "550\r\n--report", "mx\r\nAction: delivered", "o;\r\nStatus: 2.0.0",
		"h: x\r\n")
	f.Add("ö@x", "r@\x00", "\xff", strings.Repeat("long ", 900), "{{.}}", ";", "Subject: =?utf-8?q?=0D=0AX:_y?=\r\n\r\n")
	f.Fuzz(func(t *testing.T, from, to, id, text, mta, orcpt, mail string) {
		r := refused()
		r.Description, r.MTA = text, mta
		m := letter(r)
		m.Envelope, m.Recipient, m.Body = from, to, queue.Bytes(mail)
		m.DSN = &queue.DSN{EnvID: id, ORcpt: orcpt}
		n := notifier()
		n.DoubleTo = "bad"
		if notice := n.Failed(m); notice != nil {
			out, err := queue.ReadBody(notice.Body)
			require.NoError(t, err)
			header, _, _ := bytes.Cut(out, []byte("\r\n\r\n"))
			names := ""
			for line := range bytes.SplitSeq(header, []byte("\r\n")) {
				if len(line) > 0 && line[0] != ' ' && line[0] != '\t' {
					name, _, _ := bytes.Cut(line, []byte(":"))
					names += string(name) + " "
				}
			}
			names = strings.Replace(names, "In-Reply-To References ", "", 1)
			require.Equal(t, "From To Subject Date Message-ID Auto-Submitted MIME-Version Content-Type ", names)
			_, rest, _ := bytes.Cut(out, []byte("delivery-status\r\n"))
			status, _, _ := bytes.Cut(rest, []byte("\r\n--report-"))
			require.Equal(t, 1, bytes.Count(status, []byte("\r\nAction: ")))
			require.Equal(t, 1, bytes.Count(status, []byte("\r\nStatus: ")))
		}
	})
}

func BenchmarkFailure(b *testing.B) {
	n := notifier()
	n.PerHour = -1
	m := letter(refused())
	b.ReportAllocs()
	for b.Loop() {
		if n.Failed(m) == nil {
			b.Fatal("none made")
		}
	}
}

func ExampleNotifier() {
	n := &dsn.Notifier{Host: "mta.example.com"}
	m := &queue.Message{Envelope: "ann@example.com", Recipient: "jo@example.org",
		Body: queue.Bytes("Subject: Hello\r\n\r\nHello Jo\r\n"),
		Results: []queue.Result{{State: queue.StateRcptTo, Result: queue.Error, Code: 550, Status: "5.1.1",
			Description: "no such user"}}}
	notice := n.Failed(m)
	mail, _ := queue.ReadBody(notice.Body)
	for line := range strings.Lines(string(mail)) {
		if strings.HasPrefix(line, "Subject") || strings.HasPrefix(line, "Action") || strings.HasPrefix(line, "Status") {
			fmt.Println(notice.Recipient, strings.TrimSpace(line))
		}
	}
	// Output:
	// ann@example.com Subject: Your mail could not be delivered
	// ann@example.com Action: failed
	// ann@example.com Status: 5.1.1
	// ann@example.com Subject: Hello
}

// TestRequireTLS returns no more than the header of a mail with REQUIRETLS, in a notification that has it as well
// (RFC 8689 §5).
func TestRequireTLS(t *testing.T) {
	n := notifier()
	n.Ret = "FULL"
	m := letter(queue.Result{State: queue.StateMailFrom, Result: queue.Error, Code: 550, Status: "5.7.30",
		Description: "REQUIRETLS: the remote does not offer it", Class: queue.ClassTLS})
	m.RequireTLS = true
	mail, notice := made(t, n, m, failed)
	require.True(t, notice.RequireTLS)
	require.NotContains(t, mail, "Hello Jo")
	require.Contains(t, mail, "Status: 5.7.30")
	m.RequireTLS, m.TLSOptional = false, true
	mail, notice = made(t, n, m, failed)
	require.True(t, notice.TLSOptional)
	require.Contains(t, mail, "Hello Jo")
}

// TestWhoSaidSo has the replies of servers as those, over LMTP too, and what was found out here as that.
func TestWhoSaidSo(t *testing.T) {
	for _, c := range []struct{ mta, to, want string }{
		{"mx.example.test", "192.0.2.9", "smtp; 550 5.1.1 no such user here"},
		{"dovecot.example.test", "lmtp+unix:///run/dovecot/lmtp", "smtp; 550 5.1.1 no such user here"},
		{"", "maildir:///var/mail/boxes", "x-sluice; 550 5.1.1 no such user here"},
		{"", "", "x-sluice; 550 5.1.1 no such user here"},
	} {
		r := refused()
		r.MTA, r.To = c.mta, c.to
		mail, _ := made(t, notifier(), letter(r), failed)
		require.Contains(t, mail, "\r\nDiagnostic-Code: "+c.want+"\r\n")
		require.Equal(t, c.mta != "", strings.Contains(mail, "\r\nRemote-MTA: dns; "))
	}
}
