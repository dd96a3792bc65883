package smtpmonitor_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/console/smtpmonitor"
	"github.com/sluicemail/sluice/internal/consoletest"
	"github.com/sluicemail/sluice/internal/webtest"
	"github.com/sluicemail/sluice/monitor"
)

const waitTime, pollTime = 10 * time.Second, 5 * time.Millisecond

var (
	toGmail = monitor.Session{Local: netip.MustParseAddrPort("192.0.2.1:4711"),
		Remote: netip.MustParseAddrPort("198.51.100.7:25"), Domain: "gmail.test"}
	toYahoo = monitor.Session{Local: netip.MustParseAddrPort("192.0.2.2:4712"),
		Remote: netip.MustParseAddrPort("198.51.100.8:25"), Domain: "yahoo.test"}
	fromSome = monitor.Session{Incoming: true, Local: netip.MustParseAddrPort("192.0.2.1:25"),
		Remote: netip.MustParseAddrPort("203.0.113.9:999")}
)

// talk is what two say, in turn.
func talk(t monitor.Transcript, first monitor.Direction, said ...string) {
	for i, text := range said {
		t.Line((first+monitor.Direction(i))%2, []byte(text+"\r\n"))
	}
}

// pieces reads a stream until ok is content with all that came.
func pieces(w *webtest.Watcher, topic string, ok func(all []smtpmonitor.Flight) bool) (all []smtpmonitor.Flight) {
	w.T.Helper()
	w.Until(topic, func(m webtest.Message) bool {
		var p smtpmonitor.Piece
		require.NoError(w.T, json.Unmarshal(m.Data, &p))
		all = append(all, p.Flights...)
		return ok(all)
	})
	return all
}

// overheard waits until somebody follows these sessions.
func overheard(t *testing.T, all ...monitor.Transcript) {
	for _, one := range all {
		require.Eventually(t, one.Watched, waitTime, pollTime)
	}
}

func TestSessionsAreListed(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	a := w.Get("/smtp")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Contains(t, a.Body, "Nobody talks SMTP now")
	for _, s := range []monitor.Session{toGmail, toYahoo, fromSome, {Domain: "<b>evil\u202e.test"}} {
		defer w.Live.Tap(s).Close()
	}
	a = w.Get("/smtp")
	for _, part := range []string{"gmail.test", "out to 198.51.100.8:25 from 192.0.2.2:4712",
		"in from 203.0.113.9:999 to 192.0.2.1:25", "&lt;b&gt;evil⟨U&#43;202E⟩.test"} {
		require.Contains(t, a.Body, part)
	}
	for query, want := range map[string][]string{
		"domain=gmail.test": {"gmail.test"}, "domain=yahoo.TEST&way=out": {"yahoo.test"}, "way=in": {"203.0.113.9:999"},
		"ip=192.0.2.2": {"yahoo.test"}, "ip=198.51.100.0/24": {"gmail.test", "yahoo.test"}, "ip=203.0.113.9&way=out": {},
	} {
		a := w.Get("/smtp?" + query)
		require.Equal(t, len(want), strings.Count(a.Body, `<span class="one">`), query)
		for _, part := range want {
			require.Contains(t, a.Body, part, query)
		}
	}
	require.Contains(t, w.Get("/smtp?domain=x.test").Body, "No session matches now")
	a = w.Get("/smtp?ip=300.1.2.3&domain=x.test")
	require.Contains(t, a.Body, "This is no address. Write one such as")
	require.Contains(t, a.Body, `value="300.1.2.3"`)
}

func TestSessionsAreFollowed(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	gmail, yahoo := w.Live.Tap(toGmail), w.Live.Tap(toYahoo)
	defer yahoo.Close()
	socket := w.Watch("smtp?domain=gmail.test")
	list := w.Watch("smtp-sessions?domain=gmail.test") // its last word may come before or after that of the session
	overheard(t, gmail)
	require.False(t, yahoo.Watched(), "what nobody asks for is not copied")
	talk(gmail, monitor.FromUs, "MAIL FROM:<a@b.test>", "250 2.1.0 OK", "RCPT TO:<c@gmail.test>",
		"550-5.1.1 no\r\n550 5.1.1 such <script>\u202e user", strings.Repeat("x", 1<<20), "\xff\x00")
	gmail.Close()
	all := pieces(socket, "smtp?domain=gmail.test", func(all []smtpmonitor.Flight) bool { return all[len(all)-1].Ended })
	require.Equal(t, "gmail.test", all[0].Session.Domain)
	require.Nil(t, all[1].Session, "told once")
	require.True(t, all[0].Us)
	require.False(t, all[1].Us)
	require.Equal(t, []string{"550-5.1.1 no", "550 5.1.1 such <script>⟨U+202E⟩ user"}, all[3].Lines)
	require.Len(t, all[4].Lines[0], smtpmonitor.ShownLine)
	require.Equal(t, 1<<20+2-smtpmonitor.ShownLine, all[4].Cut, "of a flight only the begin is shown")
	require.Equal(t, []string{"\ufffd␀"}, all[5].Lines)
	for _, f := range all {
		require.Equal(t, all[0].ID, f.ID)
	}
	list.Until("smtp-sessions?domain=gmail.test",
		func(m webtest.Message) bool { return strings.Contains(string(m.Data), `"total":0`) })

	socket.Ask("figures")
	require.Eventually(t, func() bool { one := w.Live.Tap(toGmail); defer one.Close(); return !one.Watched() }, waitTime,
		pollTime)
}

func TestTextIsLookedForInAllSessions(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	var taps []monitor.Transcript
	for range 3 * smtpmonitor.FollowedMost {
		one := w.Live.Tap(toGmail)
		defer one.Close()
		taps = append(taps, one)
	}
	topic := "smtp?address=c%40gmail.test"
	socket := w.Watch(topic)
	overheard(t, taps...)
	for i, one := range taps {
		talk(one, monitor.FromUs, fmt.Sprintf("MAIL FROM:<%d@b.test>", i), "250 OK",
			fmt.Sprintf("RCPT TO:<%c@gmail.test>", 'a'+i%4))
	}
	all := pieces(socket, topic, func(all []smtpmonitor.Flight) bool { return len(all) >= 3*len(taps)/4 })
	for i := 2; i < len(all); i += 3 {
		require.Equal(t, []string{"RCPT TO:<c@gmail.test>"}, all[i].Lines)
	}
}

func TestSomeSessionsAreFollowedWhole(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	var taps []monitor.Transcript
	for range 2 * smtpmonitor.FollowedMost {
		taps = append(taps, w.Live.Tap(toGmail))
	}
	socket := w.Watch("smtp")
	require.Eventually(t, func() bool { return followed(taps) == smtpmonitor.FollowedMost }, waitTime, pollTime)
	for _, one := range taps {
		talk(one, monitor.FromUs, "NOOP")
	}
	var passed int64
	socket.Until("smtp", func(m webtest.Message) bool {
		var p smtpmonitor.Piece
		require.NoError(t, json.Unmarshal(m.Data, &p))
		passed += p.Passed
		return passed > 0
	})
	require.EqualValues(t, smtpmonitor.FollowedMost, passed)
	for i, one := range taps {
		if !one.Watched() { // somebody wants to see this one
			socket.Ask("smtp", fmt.Sprintf("smtp?id=%d", i+1))
			overheard(t, one)
			break
		}
	}
	for _, one := range taps {
		one.Close()
	}
	one := w.Live.Tap(toGmail)
	defer one.Close()
	require.True(t, one.Watched(), "there is room again")
}

// TestSlowBrowserLosesFlights has far more pass than is read.
func TestSlowBrowserLosesFlights(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	one := w.Live.Tap(toGmail)
	defer one.Close()
	socket := w.Watch("smtp")
	overheard(t, one)
	const flights = 20_000
	line := []byte("250 " + strings.Repeat("y", 900) + "\r\n")
	for range flights {
		one.Line(monitor.FromRemote, line)
	}
	sum, lost := 0, 0
	talk(one, monitor.FromRemote, "221 end")
	pieces(socket, "smtp", func(all []smtpmonitor.Flight) bool {
		sum, lost = len(all), 0
		for _, f := range all {
			lost += f.Lost
		}
		if sum+lost >= flights {
			return true
		}
		talk(one, monitor.FromRemote, "221 end") // tells what was lost before it
		return false
	})
	require.Positive(t, lost)
	require.Less(t, sum, flights/2)
}

func TestMailsThatPass(t *testing.T) {
	w := consoletest.New(t, nil).LogIn()
	one := w.Live.Tap(fromSome)
	defer one.Close()
	mails := one.(monitor.MailTranscript)
	socket := w.Watch("smtp")
	overheard(t, one)
	require.Zero(t, mails.MailWanted(), "a mail is kept only when somebody asks for it")
	socket.Ask("smtp?mails=1")
	require.Eventually(t, func() bool { return mails.MailWanted() == smtpmonitor.MaxPassing }, waitTime, pollTime)
	mail := "Subject: hello\r\nContent-Type: text/html\r\n\r\n<p>hi<script>alert(1)</script>"
	talk(one, monitor.FromRemote, fmt.Sprintf("(a mail of %d bytes)", len(mail)))
	mails.Mail(monitor.FromRemote, []byte(mail), int64(len(mail)))
	large := []byte("Subject: large\r\n\r\n" + strings.Repeat("z", smtpmonitor.MaxPassing))
	mails.Mail(monitor.FromRemote, large, 5<<20)
	all := pieces(socket, "smtp?mails=1", func(all []smtpmonitor.Flight) bool { return len(all) == 3 })
	require.Equal(t, int64(len(mail)), all[1].Mail.Size)
	require.False(t, all[1].Mail.Cut)
	a := w.Get(all[1].Mail.Path + "/rendered")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Contains(t, a.Body, "hello")
	require.Contains(t, a.Body, all[1].Mail.Path+"/frame")
	require.Contains(t, w.Get(all[1].Mail.Path+"/frame").Body, "<body><p>hi</body>")
	require.Equal(t, mail, w.Get(all[1].Mail.Path+"/raw").Body)
	require.True(t, all[2].Mail.Cut)
	require.Contains(t, w.Get(all[2].Mail.Path+"/text").Body, "Only the first 524 kB of 5.2 MB were kept.")

	for _, view := range []string{"rendered", "text", "source", "frame", "raw", "parts/1"} {
		require.Equal(t, http.StatusNotFound, w.Get("/smtp/mails/nonsense/"+view).StatusCode)
	}
	w.Client = webtest.NewClient(t)
	require.Equal(t, http.StatusSeeOther, w.Get(all[1].Mail.Path+"/raw").StatusCode, "only for those who are logged in")
}

// followed counts the sessions that somebody follows.
func followed(taps []monitor.Transcript) (n int) {
	for _, one := range taps {
		if one.Watched() {
			n++
		}
	}
	return n
}
