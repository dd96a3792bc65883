package verp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/feedback/verp"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// newPaths has one key that is old enough to sign.
func newPaths() *verp.Paths {
	p := new(verp.Paths)
	p.SetKeys([]verp.Key{key(1, 2*time.Hour)})
	return p
}

func key(id int64, age time.Duration) verp.Key {
	return verp.Key{ID: id, Made: noon.Add(-age), Secret: []byte(fmt.Sprintf("a secret of its own, number %d", id))}
}

func template(t testing.TB, s string) *verp.Template {
	t.Helper()
	tpl, err := verp.ParseTemplate(s)
	require.NoError(t, err)
	return &tpl
}

func TestThereAndBack(t *testing.T) {
	p := newPaths()
	for _, c := range []struct {
		name, template string
		mail           verp.Mail
		lost, noTag    bool // the id, the tag does not fit
	}{
		{"id of a mail over SMTP", "bounces.example.org",
			verp.Mail{ID: "1-0f3k9t2m8q4r7abc2v", Recipient: "ann@example.com", Tag: "news"}, false, false},
		{"many mails later", "bounces.example.org",
			verp.Mail{ID: "12-0f3k9t2m8q4r7abc2v0", Recipient: "ann@example.com", Tag: "news"}, false, false},
		{"id of a mail over REST", "bounces.example.org",
			verp.Mail{ID: "1-" + strings.Repeat("0v", 13), Recipient: "ann@example.com", Tag: "news"}, false, true},
		{"with a short prefix", "b-{token}@bounces.example.org",
			verp.Mail{ID: "1-" + strings.Repeat("0v", 13), Recipient: "ann@example.com", Tag: "news"}, false, false},
		{"an id of another program", "bounces.example.org", verp.Mail{ID: "order/7 Ü", Recipient: "ann@example.com"}, false,
			false},
		{"one that looks like ours", "bounces.example.org", verp.Mail{ID: "01-abc", Recipient: "ann@example.com"}, false,
			false},
		{"and one of a large server", "bounces.example.org", verp.Mail{ID: "256-abc", Recipient: "ann@example.com"}, false,
			false},
		{"and one without digits", "bounces.example.org", verp.Mail{ID: "7-", Recipient: "ann@example.com"}, false, false},
		{"an id that is too long", "bounces.example.org",
			verp.Mail{ID: strings.Repeat("long", 20), Recipient: "ann@example.com", Tag: "news"}, true, false},
		{"no id", "bounces.example.org", verp.Mail{Recipient: "ann@example.com"}, true, false},
		{"a long prefix", "a-long-name-it-is+{token}@bounces.example.org",
			verp.Mail{ID: "1-0f3k9t2m8q4r7abc2v", Recipient: "ann@example.com"}, true, false},
		{"the sender's domain", "{token}@bounces.{domain}",
			verp.Mail{ID: "1-0f3k9t2m8q4r7abc2v", Sender: "a@Shop.example", Recipient: "ann@example.com"}, false, false},
		{"a recipient beyond ASCII", "bounces.example.org",
			verp.Mail{ID: "1-0f3k9t2m8q4r7abc2v", Recipient: "jürgen@bücher.example"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, token, ok := p.Make(template(t, c.template), c.mail, noon)
			require.True(t, ok)
			local, _, _ := strings.Cut(address, "@")
			require.LessOrEqual(t, len(local), 64)
			require.Equal(t, strings.ToLower(address), address)
			require.Contains(t, local, token)
			require.True(t, template(t, c.template).Fits(address))
			for _, as := range []string{address, strings.ToUpper(address), token,
				"SRS0=xY7a=QK=bounces.example.org=" + local + "@forwarder.example", "prvs=8123456abc=" + address} {
				got, err := p.Open(as, noon.Add(29*24*time.Hour))
				require.NoError(t, err, as)
				require.Equal(t, noon.Truncate(24*time.Hour), got.Day)
				id, known := got.ID()
				require.Equal(t, !c.lost, known)
				if known {
					require.Equal(t, c.mail.ID, id)
				}
				require.True(t, got.Names(c.mail.ID))
				require.False(t, got.Names(c.mail.ID+"0"))
				require.True(t, got.IsFor(c.mail.Recipient))
				require.True(t, got.IsFor(strings.ToUpper(c.mail.Recipient)))
				require.False(t, got.IsFor("x"+c.mail.Recipient))
				require.Equal(t, c.mail.Tag != "" && !c.noTag, c.mail.Tag != "" && got.HasTag(c.mail.Tag))
				require.False(t, got.HasTag("other"))
			}
		})
	}
}

func TestForged(t *testing.T) {
	p := newPaths()
	mail := verp.Mail{ID: "1-0f3k9t2m8q4r7abc2v", Recipient: "ann@example.com"}
	address, token, _ := p.Make(template(t, "bounces.example.org"), mail, noon)
	for i := range token { // each digit counts
		for _, c := range []byte("0v") {
			if forged := token[:i] + string(c) + token[i+1:]; forged != token {
				_, err := p.Open(forged, noon)
				require.ErrorIs(t, err, verp.ErrForged, i)
			}
		}
	}
	other := new(verp.Paths)
	other.SetKeys([]verp.Key{key(9, 2*time.Hour)}) // of the same three bits
	_, err := other.Open(address, noon)
	require.ErrorIs(t, err, verp.ErrForged, "another key")
	for _, s := range []string{"", "bounce+@bounces.example.org", "bounce@bounces.example.org", "bounce+short@x",
		strings.Repeat("a", 65), strings.Repeat("=", 5000), "\xff\xfe"} {
		_, err := p.Open(s, noon)
		require.ErrorIs(t, err, verp.ErrNone, s)
	}
	_, err = p.Open(strings.Repeat(strings.Repeat("a", 50)+"=", 9)+address, noon)
	require.ErrorIs(t, err, verp.ErrForged, "no more than a few are tried")
	_, err = new(verp.Paths).Open(address, noon)
	require.ErrorIs(t, err, verp.ErrNone, "without keys there is nothing to forge")
}

func TestExpired(t *testing.T) {
	p := newPaths()
	p.Lifetime = 7 * 24 * time.Hour
	address, _, _ := p.Make(template(t, "bounces.example.org"), verp.Mail{ID: "1-0f3k9t2m8q4r7abc2v", Recipient: "a@b.c"},
		noon)
	_, err := p.Open(address, noon.Add(7*24*time.Hour))
	require.NoError(t, err)
	got, err := p.Open(address, noon.Add(9*24*time.Hour))
	require.ErrorIs(t, err, verp.ErrExpired)
	require.True(t, got.Names("1-0f3k9t2m8q4r7abc2v"), "it still says what it was about")
	_, err = p.Open(address, noon.Add(-3*24*time.Hour))
	require.ErrorIs(t, err, verp.ErrExpired, "of a day that has not come")
}

// TestRotation has a new key wait until others know it, and the old one hold for what it signed.
func TestRotation(t *testing.T) {
	p, elsewhere := new(verp.Paths), newPaths()
	mail, tpl := verp.Mail{ID: "1-0f3k9t2m8q4r7abc2v", Recipient: "a@b.c"}, template(t, "bounces.example.org")
	_, _, ok := p.Make(tpl, mail, noon)
	require.False(t, ok, "there is no key yet")
	p.SetKeys([]verp.Key{key(1, 2*time.Hour), key(2, time.Minute),
		{ID: 3, Made: noon.Add(-2 * time.Hour), Secret: []byte("short")}})
	before, _, _ := p.Make(tpl, mail, noon)
	_, err := elsewhere.Open(before, noon)
	require.NoError(t, err, "another instance, which has not heard of the new key")
	after, _, _ := p.Make(tpl, mail, noon.Add(time.Hour))
	require.NotEqual(t, before, after)
	for _, address := range []string{before, after} {
		_, err = p.Open(address, noon.Add(time.Hour))
		require.NoError(t, err)
	}
	p.SetKeys([]verp.Key{key(2, time.Minute)})
	_, err = p.Open(before, noon.Add(time.Hour))
	require.ErrorIs(t, err, verp.ErrForged, "its key is gone")
	address, _, ok := p.Make(tpl, mail, noon)
	require.True(t, ok)
	require.NotEmpty(t, address, "the only key signs at once")
}

func TestTemplates(t *testing.T) {
	for s, want := range map[string]string{
		"@": "mail address", "bounce@x.example": "{token} once", "{token}{token}@x.example": "{token} once",
		"bounce{token}@x.example": "such as +", "{token}s@x.example": "such as +", "x y+{token}@x.example": "mail address",
		"b+{token}@x{domain}": "behind a dot", "b+{token}@exa mple": "mail address",
		strings.Repeat("x", 24) + "-{token}@x.example": "at most 24 characters", "": "mail address",
	} {
		_, err := verp.ParseTemplate(s)
		require.ErrorContains(t, err, want, s)
	}
	p := newPaths()
	mail := verp.Mail{ID: "1-0f3k9t2m8q4r7abc2v", Sender: "a@shop.example", Recipient: "ann@example.com"}
	for s, want := range map[string]string{"Bounces.Example.ORG": "@bounces.example.org",
		"{token}@{domain}":             "@shop.example",
		"B-{token}-b@bounces.{domain}": "-b@bounces.shop.example"} {
		address, _, ok := p.Make(template(t, s), mail, noon)
		require.True(t, ok)
		require.True(t, strings.HasSuffix(address, want), address)
	}
	_, _, ok := p.Make(template(t, "{token}@{domain}"),
		verp.Mail{ID: "1-abc", Sender: "nobody", Recipient: "ann@example.com"}, noon)
	require.False(t, ok, "there is no domain")
	var none verp.Template
	_, _, ok = p.Make(&none, mail, noon)
	require.False(t, ok)
	tpl := template(t, "bounces.example.org")
	forged := "bounce+" + strings.Repeat("0", 44)
	require.True(t, tpl.Fits(forged+"@BOUNCES.example.org"))
	for _, s := range []string{"bounce+@bounces.example.org", forged + "@example.org", forged + "-@bounces.example.org",
		"x" + forged + "@bounces.example.org", "postmaster@bounces.example.org", forged} {
		require.False(t, tpl.Fits(s), s)
	}
}

// TestSecrets prints keys in every way.
func TestSecrets(t *testing.T) {
	k := key(1, 0)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(format, k), "secret of", format)
		require.NotContains(t, fmt.Sprintf(format, k.Secret), "6120736563726574", format)
		require.NotContains(t, fmt.Sprintf(format, k.Secret), "97 32", format)
	}
}

// FuzzOpen reads any text: it must not panic, and nothing that was not made here may pass.
func FuzzOpen(f *testing.F) {
	p := newPaths()
	tpl := template(f, "bounces.example.org")
	made := map[string]bool{}
	for _, id := range []string{"1-0f3k9t2m8q4r7abc2v", "x", strings.Repeat("x", 90)} {
		address, token, _ := p.Make(tpl, verp.Mail{ID: id, Recipient: "ann@example.com", Tag: "t"}, noon)
		made[token] = true
		f.Add(address)
		f.Add("SRS0=aa=bb=x=" + address)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := p.Open(text, noon)
		if err != nil {
			return
		}
		for token := range made {
			if strings.Contains(strings.ToLower(text), token) {
				return
			}
		}
		id, _ := got.ID()
		t.Fatalf("%q passed as the token of %q", text, id)
	})
}

func BenchmarkMake(b *testing.B) {
	p, tpl := newPaths(), template(b, "bounces.example.org")
	mail := verp.Mail{ID: "1-0f3k9t2m8q4r7abc2v", Sender: "news@example.org", Recipient: "ann@example.com", Tag: "news"}
	b.ReportAllocs()
	for b.Loop() {
		p.Make(tpl, mail, noon)
	}
}

func BenchmarkOpen(b *testing.B) {
	p, tpl := newPaths(), template(b, "bounces.example.org")
	address, _, _ := p.Make(tpl, verp.Mail{ID: "1-0f3k9t2m8q4r7abc2v", Recipient: "ann@example.com"}, noon)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Open(address, noon); err != nil {
			b.Fatal(err)
		}
	}
}
