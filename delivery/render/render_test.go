package render_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"mime/quotedprintable"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery/render"
	"github.com/sluicemail/sluice/queue"
)

func eml(s string) queue.Bytes { return queue.Bytes(strings.ReplaceAll(s, "\n", "\r\n")) }

func made(t testing.TB, r *render.Renderer, m *queue.Message) (string, error) {
	t.Helper()
	body, err := r.Render(t.Context(), m, m.Body)
	if err != nil {
		return "", err
	}
	data, err := queue.ReadBody(body)
	require.NoError(t, err)
	return strings.ReplaceAll(string(data), "\r\n", "\n"), nil
}

// TestPersonalised is the example of the public page (MailerQ 5.13, personalization) in other words.
func TestPersonalised(t *testing.T) {
	m := &queue.Message{
		Envelope:  "bounces@example.org",
		Recipient: "ann@example.com",
		Data:      []byte(`{"us": "The shop, Ltd", "name": "Ann", "age": 41, "job": "pilot", "total-price": 12.50}`),
		Body: eml(`From: {$us} <info@example.org>
To: {$name} <{$recipient}>
Subject: Hello {$name}!
Reply-To: {$name} <a@example.org>
Content-Type: text/plain

Hi {$name}, you are {$age} and a {$job}.
That makes {$total_price|cat:" EUR"}, {$us}. {$envelope}
`),
	}
	got, err := made(t, new(render.Renderer), m)
	require.NoError(t, err)
	require.Equal(t, `From: "The shop, Ltd" <info@example.org>
To: Ann <ann@example.com>
Subject: Hello Ann!
Reply-To: {$name} <a@example.org>
Content-Type: text/plain

Hi Ann, you are 41 and a pilot.
That makes 12.50 EUR, The shop, Ltd. bounces@example.org
`, got)
}

func TestNeeded(t *testing.T) {
	require.False(t, render.Needed(&queue.Message{Body: eml("Subject: {$x}\n\n")}))
	require.True(t, render.Needed(&queue.Message{Data: []byte("{}")}))
	require.True(t, render.Needed(&queue.Message{InlineCSS: true}))
}

func TestFailuresSayWhere(t *testing.T) {
	for _, c := range []struct {
		data, mail string
		want       render.Error
	}{
		{`{}`, "Subject: x {$}\n\n", render.Error{Part: "Subject", Line: 1, Column: 3, Tag: "{$}"}},
		{`{}`, "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nok\n--b\nContent-Type: text/html\n\nä\n {if $x}\n--b--\n",
			render.Error{Part: "part 2 (text/html)", Line: 2, Column: 2, Tag: "{if $x}"}},
		{`[]`, "\nx", render.Error{}},
		{`{}`, "Content-Type: text/plain; charset=x\n\nx", render.Error{Part: "mail (text/plain)"}},
		{`{"x": "a, b"}`, "To: <{$x}>\n\nx", render.Error{Part: "To"}},
		{`{}`, "Content-Type: multipart/signed; boundary=b\n\n--b\n", render.Error{Part: "mail (multipart/signed)"}},
	} {
		m := &queue.Message{Data: []byte(c.data), Body: eml(c.mail)}
		_, err := made(t, new(render.Renderer), m)
		var e *render.Error
		require.ErrorAs(t, err, &e, c.mail)
		require.NotEmpty(t, e.Reason)
		require.Equal(t, c.want, render.Error{Part: e.Part, Line: e.Line, Column: e.Column, Tag: e.Tag})
		require.Equal(t, queue.StatePersonalize, e.State)
		require.Contains(t, e.Error(), e.Reason)

		m.Force = true
		got, err := made(t, new(render.Renderer), m)
		require.NoError(t, err)
		require.Equal(t, c.mail, got, "force sends the mail as it is")
	}
}

func TestStylesAreMovedAfterPersonalisation(t *testing.T) {
	m := &queue.Message{InlineCSS: true, Data: []byte(`{"colour": "red"}`), Body: eml(`Subject: x
Content-Type: multipart/alternative; boundary=b

--b

<style>p{a:b}</style><p>
--b
Content-Type: text/html

<style>
p { color: {$colour} }
</style><p>
--b--
`)}
	got, err := made(t, new(render.Renderer), m)
	require.NoError(t, err)
	require.Contains(t, got, "<style>p{a:b}</style><p>\n", "the plain part stays")
	require.Contains(t, got, "\n\n<p style=\"color:red\">\n")

	m.Body = eml("Content-Type: text/html\n\n<style>" + strings.Repeat("p{a:b}", 30_000) + "</style><p>")
	_, err = made(t, new(render.Renderer), m)
	var e *render.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, queue.StateResponsive, e.State)
	require.Equal(t, "mail (text/html)", e.Part)
}

func TestComposed(t *testing.T) {
	m := &queue.Message{Recipient: "ann@example.com", Data: []byte(`{"name": "Ann"}`),
		Compose: []byte(`{"from": "shop@example.org", "to": "{$recipient}", "subject": "Hi {$name}", "text": "Dear {$name}"}`)}
	got, err := made(t, new(render.Renderer), m)
	require.NoError(t, err)
	require.Contains(t, got, "Subject: Hi Ann\n")
	require.Contains(t, got, "To: ann@example.com\n")
	require.Contains(t, got, "Dear Ann")

	m.Compose = []byte(`{"from": 7}`)
	_, err = made(t, new(render.Renderer), m)
	var e *render.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, queue.StateResponsive, e.State)
	require.Contains(t, e.Error(), "from")
}

func TestLongMailsAreRefused(t *testing.T) {
	r := &render.Renderer{MaxMail: 100}
	_, err := made(t, r, &queue.Message{Data: []byte(`{}`), Body: queue.Bytes(make([]byte, 101))})
	require.ErrorContains(t, err, "the mail is longer than 100 bytes")
}

func TestUnknownModifiersAreToldOnce(t *testing.T) {
	var log bytes.Buffer
	r := &render.Renderer{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	for range 3 {
		got, err := made(t, r, &queue.Message{Data: []byte(`{"x": "1"}`),
			Body: eml("Subject: {$x|shout}\n\n{$x|shout}{$x|sing}")})
		require.NoError(t, err)
		require.Equal(t, "Subject: 1\n\n11", got)
	}
	require.Equal(t, 1, strings.Count(log.String(), "modifier=shout"))
	require.Equal(t, 1, strings.Count(log.String(), "modifier=sing"))
}

// campaign is a mail of 20 KB of HTML with 30 variables, two conditions and a loop of 20.
func campaign(encoding string) *queue.Message {
	var b, d strings.Builder
	d.WriteString(`{"us": "The shop", "vip": true, "city": "Amsterdam"`)
	paragraph := strings.Repeat("<p class=intro>Plenty of text around it, as mails have.</p>\n", 10)
	for i := range 30 {
		fmt.Fprintf(&b, "%s<td>{$value_%d|escape}</td>\n", paragraph, i)
		fmt.Fprintf(&d, `, "value-%d": "what is printed, number %d"`, i, i)
	}
	b.WriteString("{if $vip}<b>VIP</b>{else}no{/if}{if $city == 'Amsterdam' and not $old}near{/if}\n")
	b.WriteString("{foreach $item in $items}<tr><td>{$item.name}</td><td>{$item.price * 2}</td></tr>\n{/foreach}")
	d.WriteString(`, "items": [`)
	for i := range 20 {
		fmt.Fprintf(&d, `%s{"name": "product %d", "price": %d.5}`, strings.Repeat(",", min(i, 1)), i, i)
	}
	header := "From: {$us} <info@example.org>\nTo: {$value_1} <{$recipient}>\nSubject: News for {$value_2}\n" +
		"MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: " + encoding + "\n\n"
	body := b.String()
	if encoding == "quoted-printable" {
		var quoted strings.Builder
		w := quotedprintable.NewWriter(&quoted)
		_, _ = w.Write([]byte(body))
		_ = w.Close()
		body = strings.ReplaceAll(quoted.String(), "\r\n", "\n")
	}
	return &queue.Message{Recipient: "ann@example.com", Data: []byte(d.String() + "]}"), Body: eml(header + body)}
}

func BenchmarkPersonalise(b *testing.B) {
	for _, encoding := range []string{"8bit", "quoted-printable"} {
		b.Run(encoding, func(b *testing.B) {
			m := campaign(encoding)
			r := new(render.Renderer)
			b.ReportAllocs()
			b.SetBytes(m.Body.Size())
			for b.Loop() {
				if _, err := r.Render(b.Context(), m, m.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCampaign fills three values into a mail of 10 KiB.
func BenchmarkCampaign(b *testing.B) {
	text := strings.Repeat("<p>Plenty of text around it, as mails have.</p>\n", 22) +
		"<p>{$name|escape}, {$city}: {$total_price}</p>\n"
	m := &queue.Message{Recipient: "ann@example.com", Data: []byte(`{"name": "Ann", "city": "Delft", "total-price": 12.5}`),
		Body: eml("From: shop@example.org\nTo: {$name} <{$recipient}>\nSubject: Hi {$name}\nContent-Type: text/html\n\n" +
			strings.Repeat(text, 10))}
	r := new(render.Renderer)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Render(b.Context(), m, m.Body); err != nil {
			b.Fatal(err)
		}
	}
}
