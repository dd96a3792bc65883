package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"time"
)

// mail is one that the shop sends.
type mail struct {
	from   string
	to     []string
	header []string // lines, in their order
	plain  string
	html   string // "": there is none
	parts  string // type of plain, when it is made of parts already
}

// kind is an occasion to write.
type kind struct {
	weight   int
	from     string // sender in the envelope
	who      string // and in the mail
	subjects []string
	header   []string // x-mq-* fields
	write    func(a *author, m *mail, name string)
	to       func(a *author) string // nil: a customer
}

func kinds() []kind {
	return []kind{
		{weight: 500, from: "bounces", who: "The Shop <news@shop.example>", write: newsletter,
			subjects: []string{"15% off everything made of wool", "New in autumn: lamps, chairs, tables",
				"Your wish list is on sale", "Café crème – ein Gruß aus Köln", "这个周末全场八折 20% off"},
			header: []string{"x-mq-tag: newsletter", "x-mq-tag: campaign-47", "x-mq-pool: newsletter", "x-mq-maxattempts: 8",
				"x-mq-campaign: autumn"}},
		{weight: 200, from: "orders", who: "The Shop <orders@shop.example>", write: receipt,
			subjects: []string{"Your receipt", "Your order is on its way", "We have received your order"},
			header:   []string{"x-mq-tag: receipt", "x-mq-pool: transactional"}},
		{weight: 140, from: "no-reply", who: "The Shop <no-reply@shop.example>", write: code,
			subjects: []string{"Your log-in code", "Reset your password"},
			header:   []string{"x-mq-tag: log-in", "x-mq-retries: 5,10,30,60"}},
		{weight: 60, from: "bounces", who: "The Shop <news@shop.example>", write: newsletter,
			subjects: []string{"Hello from our new address"},
			header:   []string{"x-mq-tag: newsletter", "x-mq-tag: warm-up", "x-mq-pool: warm-up"}},
		{weight: 30, from: "bounces", who: "The Shop <news@shop.example>", write: newsletter,
			subjects: []string{"Black Friday: 40% off"},
			header:   []string{"x-mq-tag: newsletter", "x-mq-tag: campaign-48", "x-mq-pool: newsletter"}},
		{weight: 20, from: "reminders", who: "The Shop <orders@shop.example>", write: receipt,
			subjects: []string{"Your table arrives tomorrow"},
			header:   []string{"x-mq-tag: receipt", "x-mq-delayed: +"}},
		{weight: 15, from: "ann", who: "Ann <ann@shop.example>", write: note,
			subjects: []string{"Lunch?", "Minutes of the meeting", "Stock of wool"}, to: (*author).colleague},
		{weight: 1, from: "", who: "Mail Delivery System <mailer-daemon@gmail.example>", write: report,
			subjects: []string{"Undelivered mail returned to sender"},
			to:       func(*author) string { return "bounces@" + ownDomain }},
	}
}

// author writes mails.
type author struct {
	kinds     []kind
	providers []*provider
	unmet     []*provider // who gets a mail at their first domain before all others
}

func newAuthor(all []*provider) *author { return &author{kinds(), all, all} }

// next writes a mail.
func (a *author) next() *mail {
	k := draw(a.kinds, func(k kind) int { return k.weight })
	name, address := a.customer()
	if k.to != nil {
		address = k.to(a)
	}
	m := &mail{to: []string{address}}
	if k.from != "" {
		m.from = k.from + "@" + ownDomain
	}
	for _, line := range k.header {
		if line == "x-mq-delayed: +" {
			line = "x-mq-delayed: " + time.Now().UTC().Add(2*time.Minute).Format(time.DateTime)
		}
		m.header = append(m.header, line)
	}
	subject := k.subjects[rand.IntN(len(k.subjects))]
	m.header = append(m.header, "From: "+k.who, "To: "+mime.QEncoding.Encode("utf-8", name)+" <"+address+">",
		"Subject: "+mime.BEncoding.Encode("utf-8", subject),
		"Date: "+time.Now().Format(time.RFC1123Z),
		fmt.Sprintf("Message-ID: <%x.%x@%s>", time.Now().UnixNano(), rand.Uint32(), ownDomain))
	k.write(a, m, name)
	return m
}

// draw chooses one by its weight.
func draw[T any](from []T, weight func(T) int) T {
	total := 0
	for _, one := range from {
		total += weight(one)
	}
	n := rand.IntN(total)
	for _, one := range from {
		if n -= weight(one); n < 0 {
			return one
		}
	}
	return from[0]
}

var (
	firstNames = []string{"Anna", "Ben", "Carla", "David", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira",
		"Liam", "Mina", "Noah", "Olga", "Pavel", "Rosa", "Samir", "Tove", "Yara"}
	lastNames = []string{"Bell", "Costa", "Dunn", "Eriksen", "Fischer", "Garcia", "Hansen", "Ivanova", "Jansen", "Keller",
		"Lopez", "Moreau", "Novak", "Okafor", "Patel", "Rossi", "Silva", "Tanaka", "Weber", "Young"}
)

// customer is a person with an address.
func (a *author) customer() (name, address string) {
	first, last := firstNames[rand.IntN(len(firstNames))], lastNames[rand.IntN(len(lastNames))]
	p, domain := draw(a.providers, func(p *provider) int { return p.weight }), 0
	if len(a.unmet) > 0 {
		p, a.unmet = a.unmet[0], a.unmet[1:]
	} else {
		domain = rand.IntN(len(p.domains))
	}
	local := strings.ToLower(first + "." + last)
	if rand.IntN(3) > 0 {
		local += fmt.Sprint(1960 + rand.IntN(50))
	}
	return first + " " + last, local + "@" + p.domains[domain]
}

func (a *author) colleague() string {
	return []string{"bob", "sales", "warehouse", "ann"}[rand.IntN(4)] + "@" + ownDomain
}

// text is the mail as it is sent.
func (m *mail) text() io.Reader {
	var b bytes.Buffer
	for _, line := range m.header {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("MIME-Version: 1.0\r\n")
	if m.parts != "" {
		b.WriteString("Content-Type: " + m.parts + "\r\n\r\n" + strings.ReplaceAll(m.plain, "\n", "\r\n"))
		return &b
	}
	if m.html == "" {
		b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
		quoted(&b, m.plain)
		return &b
	}
	parts := multipart.NewWriter(&b)
	fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=%s\r\n\r\n", parts.Boundary())
	for _, part := range []struct{ kind, text string }{{"text/plain", m.plain}, {"text/html", m.html}} {
		header := textproto.MIMEHeader{"Content-Type": {part.kind + "; charset=utf-8"},
			"Content-Transfer-Encoding": {"quoted-printable"}}
		if w, err := parts.CreatePart(header); err == nil { // a buffer never fails
			quoted(w, part.text)
		}
	}
	_ = parts.Close()
	return &b
}

func quoted(w io.Writer, text string) {
	q := quotedprintable.NewWriter(w)
	_, _ = io.WriteString(q, strings.ReplaceAll(text, "\n", "\r\n"))
	_ = q.Close()
}

func newsletter(_ *author, m *mail, name string) {
	m.header = append(m.header, "List-Unsubscribe: <https://shop.example/bye>")
	m.plain = "Hello " + name +
		",\n\nautumn is here, and so are our new lamps. Have a look: https://shop.example/lamps\n\n-- \nThe Shop\n"
	var items strings.Builder
	for i := range 4 + rand.IntN(12) {
		fmt.Fprintf(&items,
			`<tr><td style="padding:8px;border-bottom:1px solid #ddd">Lamp no. %d</td><td style="padding:8px;border-bottom:1px solid #ddd;text-align:right">€ %d</td></tr>`, i+1, 20+rand.IntN(200))
	}
	m.html = `<html><body style="margin:0;font-family:sans-serif;color:#222"><div style="background:#0b6bcb;color:#fff;padding:24px"><h1 style="margin:0">Autumn is here</h1></div>` +
		`<p style="padding:0 24px">Hello ` + name +
		`, these are our new lamps:</p><table style="margin:0 24px;border-collapse:collapse;width:80%">` + items.String() +
		`</table><p style="padding:0 24px"><a href="https://shop.example/lamps">See them all</a> · <img src="https://shop.example/seen.gif" width="1" height="1" alt=""><a href="https://shop.example/bye">No more of these mails</a></p></body></html>`
}

func receipt(_ *author, m *mail, name string) {
	number, total := 100000+rand.IntN(900000), 10+rand.IntN(400)
	m.plain = fmt.Sprintf("Hello %s,\n\nthank you for order %d.\n\nTotal: € %d.00\n\n-- \nThe Shop\n", name, number, total)
	m.html = fmt.Sprintf(`<html><body style="font-family:sans-serif"><h2>Thank you, %s</h2><p>Order <b>%d</b></p><p style="font-size:120%%">Total: € %d.00</p></body></html>`, name, number, total)
}

func code(_ *author, m *mail, name string) {
	m.plain = fmt.Sprintf("Hello %s,\n\nyour code is %06d. It is good for ten minutes.\n", name, rand.IntN(1000000))
}

func note(_ *author, m *mail, _ string) {
	m.plain = "Shall we say twelve o'clock, downstairs?\n\nAnn\n"
}

// report is what a provider sends to the sender of a mail that it could not deliver after all (RFC 3464).
func report(a *author, m *mail, _ string) {
	_, address := a.customer()
	const boundary = "reported"
	m.header = append(m.header, "Auto-Submitted: auto-replied")
	m.parts = `multipart/report; report-type=delivery-status; boundary="` + boundary + `"`
	m.plain = "--" + boundary + "\n\nYour mail to " + address + " could not be delivered.\n--" + boundary +
		"\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.gmail.example\n\nFinal-Recipient: rfc822; " +
		address +
		"\nAction: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 The mailbox is full\n--" + boundary + "--\n"
}
