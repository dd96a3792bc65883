package report

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ordinary makes mails that are no reports, the same ones each time: many of them speak of bounces, quote or forward
// one, come from addresses that bounces come from, or answer without a return path.
type ordinary struct {
	*rand.Rand
	bounces []string // of other tests
}

// TestOrdinaryMails takes none of ten thousand mails for a report.
func TestOrdinaryMails(t *testing.T) {
	o := newOrdinary(t)
	for i := range 10_000 {
		mail := o.mail()
		if kind := recognise([]byte(mail)); kind != None {
			t.Fatalf("mail %d is taken for %s:\n%s", i, kind, mail)
		}
	}
}

func newOrdinary(t *testing.T) *ordinary {
	t.Helper()
	o := &ordinary{Rand: rand.New(rand.NewPCG(11, 41))}
	files, err := filepath.Glob("testdata/dsn-*.eml")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		o.bounces = append(o.bounces, string(text))
	}
	return o
}

// mail makes one of some kind.
func (o *ordinary) mail() string {
	kinds := []func() string{o.reply, o.forward, o.attached, o.newsletter, o.vacation, o.listPost, o.postmaster, o.notice,
		o.chat, o.parcel, o.receipt, o.passedOn}
	return kinds[o.IntN(len(kinds))]()
}

func (o *ordinary) pick(some ...string) string { return some[o.IntN(len(some))] }

func (o *ordinary) word() string {
	return o.pick("harbour", "meadow", "lantern", "copper", "willow", "saddle", "velvet", "orchard", "granite", "ember",
		"thistle", "beacon")
}

func (o *ordinary) address() string {
	return o.pick("ann", "bo", "cleo", "dirk", "eva", "finn", "gus", "ida", "jon.k", "kim+news") +
		o.pick("", "1", "77", ".x") + "@" + o.word() + o.pick(".example", ".example.net", ".example.org")
}

func (o *ordinary) person() string {
	return o.pick("Ann Lee", "Bo Hansen", "Cleo Maes", "Dirk Vos", "Eva Ruiz", "Finn Daly") + " <" + o.address() + ">"
}

// code is something that looks like an SMTP reply.
func (o *ordinary) code() string {
	return o.pick("550 5.1.1 user unknown", "421 too many connections", "554 5.7.1 rejected", "452 4.2.2 mailbox full",
		"550-no such user", "5.7.26")
}

func (o *ordinary) sentence() string {
	return o.pick(
		"Thanks for your mail, I shall look at it tomorrow.",
		"The invoice for "+o.word()+" is attached.",
		"Yesterday my mail to "+o.address()+" could not be delivered, can you check?",
		"Our server said "+o.code()+" when I wrote to "+o.address()+".",
		"Please write to\n"+o.address()+"\nfrom now on.",
		"Delivery failed again, see "+o.address()+": "+o.code()+"?",
		"My new address:\n\n"+o.address()+"\n",
		"See you at "+o.word()+" at 4.5.1, I mean the room.",
		"Undelivered mail is returned to sender after 5 days.",
		"We have 550 guests and 421 chairs.",
	)
}

func (o *ordinary) text() string {
	var b strings.Builder
	for range 1 + o.IntN(5) {
		b.WriteString(o.sentence() + o.pick("\n", "\n\n", " "))
	}
	return b.String() + "\n"
}

func (o *ordinary) subject() string {
	return o.pick("Re: ", "Fwd: ", "AW: ", "", "") + o.pick(
		"lunch", "Meeting on "+o.word(), "Undelivered Mail Returned to Sender", "Delivery Status Notification (Failure)",
		"failure notice",
		"Mail delivery failed: returning message to sender", "your "+o.word()+" order",
		"Returned mail: see transcript for details", "Question about bounces",
	)
}

// header makes one from somebody; fields are added to it.
func (o *ordinary) header(from, subject string, fields ...string) string {
	h := ""
	if o.IntN(2) == 0 {
		h = "Return-Path: <" + o.address() + ">\n"
	}
	for _, f := range fields {
		h += f + "\n"
	}
	return h + "Received: from a." + o.word() + ".example by b.example; Sat, 21 Nov 2026 09:16:39 +0000\nFrom: " + from +
		"\nTo: " + o.person() +
		"\nSubject: " + subject + "\nMessage-ID: <" + fmt.Sprint(o.Uint32()) +
		"@c.example>\nDate: Sat, 21 Nov 2026 09:16:39 +0000\n"
}

func (o *ordinary) bounce() string { return o.bounces[o.IntN(len(o.bounces))] }

func (o *ordinary) quoted(text string) string {
	return "> " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n> ") + "\n"
}

// reply quotes a mail, often a bounce.
func (o *ordinary) reply() string {
	_, body, _ := strings.Cut(o.bounce(), "\n\n")
	return o.header(o.person(), "Re: "+o.subject(), "In-Reply-To: <1@d.example>") + "\n" + o.text() +
		"On Saturday the daemon wrote:\n" + o.quoted(body) + o.pick("", o.text())
}

// forward has a bounce in its text.
func (o *ordinary) forward() string {
	return o.header(o.person(), "Fwd: "+o.subject()) + "\n" + o.text() +
		o.pick("-----Original Message-----\n", "Begin forwarded message:\n\n", "---------- Forwarded message ---------\n") +
		o.bounce()
}

// attached has a bounce as an attachment, or its parts.
func (o *ordinary) attached() string {
	h := o.header(o.person(), o.subject(), "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=out")
	return h + "\n--out\n\n" + o.text() + "--out\nContent-Type: " +
		o.pick("message/rfc822", "text/plain; name=bounce.txt", "application/octet-stream; name=bounce.eml") +
		"\n\n" + o.bounce() + "\n--out--\n"
}

// newsletter is what firms send.
func (o *ordinary) newsletter() string {
	h := o.header("News <"+o.pick("news", "no-reply", "info", "admin", "bounce")+"@"+o.word()+".example>",
		o.pick("Delivery update", "Offers of "+o.word(), "Delivery failed? Not with us"),
		"List-Unsubscribe: <https://x.example/u>", o.pick("Precedence: bulk", "X-Campaign: 7"),
		"Content-Type: multipart/alternative; boundary=alt")
	return h + "\n--alt\nContent-Type: text/plain\n\n" + o.text() + "\nUnsubscribe: " + o.address() +
		"\n--alt\nContent-Type: text/html\n\n<p>" + o.text() + "</p>\n--alt--\n"
}

// vacation answers on its own, without a return path, and often quotes.
func (o *ordinary) vacation() string {
	fields := []string{"Return-Path: <>", "Auto-Submitted: " +
		o.pick("auto-replied", "auto-replied (vacation)", "auto-generated")}
	if o.IntN(3) > 0 {
		fields = append(fields, "In-Reply-To: <2@d.example>")
	}
	quote := ""
	if o.IntN(4) == 0 {
		quote = "\n" + o.quoted(o.text())
	}
	return o.header(o.pick(o.person(), "Postmaster <postmaster@"+o.word()+".example>"),
		o.pick("Out of office: ", "Abwesend: ", "Auto reply: ", "Away until May ")+o.word(), fields...) + "\n" + o.pick(
		"I am out of the office. In urgent cases write to:\n\n"+o.address()+"\n",
		"Ich bin nicht im Büro. Ihre Nachricht wird nicht weitergeleitet.\n"+o.address()+": Vertretung\n",
		"I am away until 5.1.2027. Your message was received and will be read then. Mail to "+o.address()+" is read daily.\n",
		"We have received your message to "+o.address()+" and will answer within 2 days. Ticket 550 123.\n",
	) + quote
}

// listPost came over a list, even from those that send bounces elsewhere.
func (o *ordinary) listPost() string {
	from := o.pick(o.person(), "MAILER-DAEMON <mailer-daemon@"+o.word()+".example>", "postmaster@"+o.word()+".example")
	return o.header(from, "[mail-ops] "+o.subject(), "List-Id: <mail-ops."+o.word()+".example>",
		o.pick("Return-Path: <>", "X-A: b")) + "\n" + o.text() + o.address() + ": " + o.code() + "\n"
}

// postmaster is by the people behind that address, or their programs, of things that are no failures.
func (o *ordinary) postmaster() string {
	from := o.pick("postmaster", "Postmaster", "admin", "administrator", "sysadmin") + "@" + o.word() + ".example"
	return o.header(from, o.pick("Maintenance on Sunday", "Your request about "+o.word(), "Weekly statistics",
		"Re: blocked address", "Quota warning", "Welcome"), o.pick("Return-Path: <>", "X-A: b")) + "\n" + o.pick(
		"The mail servers are restarted at 4:50. Mail that cannot be delivered then is tried again. Write to\n"+o.address()+
			"\nif anything fails.\n",
		"Dear user,\n\nyour mailbox "+o.address()+" is 95% full (4.5.2 GB).\n",
		"Top senders this week:\n\n"+o.address()+"\n"+o.address()+"\n\nbounces: 550 of 12345\n",
		"Hello, the block of "+o.address()+" has been lifted. It was due to "+o.code()+".\n\nBest, the postmaster\n",
		o.text(),
	)
}

// notice is by a program that nobody answers.
func (o *ordinary) notice() string {
	from := o.pick("root", "cron", "logwatch", "nagios", "noreply", "no-reply") + "@" + o.word() + ".example"
	return o.header(from, o.pick("Cron <root@h> mailq", "Logwatch for h", "PROBLEM: smtp", "Your account", "Backup done"),
		o.pick("Auto-Submitted: auto-generated", "X-A: b"), o.pick("Return-Path: <>", "X-C: d")) + "\n" + o.pick(
		"postfix/smtp: to=<"+o.address()+">, status=bounced (host said: "+o.code()+")\n",
		"3 messages undeliverable:\n\n   2  "+o.address()+"\n   1  "+o.address()+"\n",
		"Please confirm that "+o.address()+" is yours: https://x.example/550\n",
		o.text(),
	)
}

func (o *ordinary) chat() string { return o.header(o.person(), o.subject()) + "\n" + o.text() }

// parcel was not delivered either, but is none of our mails.
func (o *ordinary) parcel() string {
	return o.header("Parcels <"+o.pick("noreply", "service", "tracking")+"@"+o.word()+".example>",
		o.pick("Your parcel could not be delivered", "Delivery failed: parcel", "Undeliverable shipment"),
		o.pick("Return-Path: <>", "X-A: b")) + "\nDear " + o.word() +
		",\n\nyour parcel could not be delivered, as nobody was at home. A message was sent to:\n\n" + o.address() +
		"\n\n" + o.pick("Call us at 555 0100.", "Number of the parcel: 4711.", "Floor 5, room 12.") + "\n"
}

// receipt says that a mail did arrive, or waits.
func (o *ordinary) receipt() string {
	return o.header(o.pick("list-request@", "list-bounces@", "support@", "helpdesk@")+o.word()+".example",
		o.pick("Your message to list awaits approval", "[Ticket 421] received", "confirm 550123"),
		o.pick("Return-Path: <>", "X-A: b"), o.pick("Auto-Submitted: auto-replied", "Precedence: bulk")) + "\n" + o.pick(
		"Your mail to '"+o.address()+"' with the subject "+o.word()+" is held until the moderator has looked at it.\n",
		"We have opened ticket 421 for your message to "+o.address()+".\n",
		"To join the list, answer to\n\n   "+o.address()+"\n\nwith 550123.\n",
	)
}

// passedOn is a bounce that the people behind postmaster pass on, or answer.
func (o *ordinary) passedOn() string {
	from := o.pick("Postmaster <postmaster@", "The admins <admin@", "<sysadmin@") + o.word() + ".example>"
	_, body, _ := strings.Cut(o.bounce(), "\n\n")
	return o.header(from, o.pick("Fwd: ", "Re: ", "WG: ", "FW: ")+
		o.pick("Undelivered Mail Returned to Sender", "failure notice", "Mail delivery failed")) + "\n" + o.text() +
		o.pick(body, o.quoted(body), o.bounce())
}
