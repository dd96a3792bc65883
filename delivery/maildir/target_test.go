package maildir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMaildirOf(t *testing.T) {
	long := strings.Repeat("x", 250)
	for _, c := range []struct{ target, recipient, dir, root string }{
		{"/mail/{domain}/{user}", "Jo@Example.ORG", "/mail/example.org/jo", ""},
		{"/mail/{domain}/{user}", "jo+lists@example.org", "/mail/example.org/jo", ""},
		{"/mail/{user}/.{detail}", "jo+Lists@example.org", "/mail/jo/.Lists", "/mail/jo"},
		{"/mail/{user}/.{detail}", "jo+lists.go@example.org", "/mail/jo/.lists.go", "/mail/jo"},
		{"/mail/{user}/.{detail}", "jo+a+b@example.org", "/mail/jo/.a+b", "/mail/jo"},
		{"/mail/{user}/.{detail}", "jo@example.org", "/mail/jo", ""},
		{"/mail/{user}/.{detail}", "jo+@example.org", "/mail/jo", ""},
		{"/mail/{user}/Maildir", "jo@example.org", "/mail/jo/Maildir", ""},
		{"/mail/{user}@{domain}", "jo@bücher.example", "/mail/jo@xn--bcher-kva.example", ""},
		{"/mail/{user}", "JOSÉ@example.org", "/mail/josé", ""},
		{"/mail/{user}", `"jo \"x\" hn"@example.org`, `/mail/jo "x" hn`, ""},
		{"/mail/{user}", "o'neil=x&y@example.org", "/mail/o'neil=x&y", ""},
		{"/mail/{domain}/{user}", "jo@[192.0.2.1]", "/mail/[192.0.2.1]/jo", ""},
		{"/mail/all", "jo@example.org", "/mail/all", ""},
		{"/all", "jo@example.org", "/all", ""},
		{"/{user}", "jo@example.org", "/jo", ""},
		{"/mail/{user}-{detail}", "jo@example.org", "/mail/jo-", ""},
		{"/mail/{user}", long + "@example.org", "/mail/" + long, ""},
		{"/mail/jo/.{detail}", "jo+x@example.org", "/mail/jo/.x", ""}, // no {user}: the folder is all that is known
	} {
		target, err := Parse("maildir://" + c.target)
		require.NoError(t, err)
		b, refused := target.of(c.recipient)
		require.Nil(t, refused, c.recipient)
		require.Equal(t, c.dir, b.dir)
		if c.root == "" {
			c.root = c.dir
		}
		require.Equal(t, c.root, b.root)
	}
}

// Whatever an address says, its mail goes nowhere else.
func TestMaildirOfHostileAddresses(t *testing.T) {
	for _, c := range []struct{ target, recipient, want string }{
		{"/mail/{user}", "../x@example.org", "local part"},
		{"/mail/{user}", "..@example.org", "local part"},
		{"/mail/{user}", ".@example.org", "local part"},
		{"/mail/{user}", `".hidden"@example.org`, "local part"},
		{"/mail/{user}", "a/b@example.org", "local part"},
		{"/mail/{user}", `"\.\./x"@example.org`, "local part"},
		{"/mail/{user}", "a\x00b@example.org", "local part"},
		{"/mail/{user}", "a\nb@example.org", "local part"},
		{"/mail/{user}", "a\x7f@example.org", "local part"},
		{"/mail/{user}", "\xff@example.org", "local part"},
		{"/mail/{user}", "@example.org", "local part"},
		{"/mail/{user}", `""@example.org`, "local part"},
		{"/mail/{user}", "+x@example.org", "local part"},
		{"/mail/{domain}", "jo@..", "domain"},
		{"/mail/{domain}", "jo@../etc", "domain"},
		{"/mail/{domain}", "jo", "domain"},
		{"/mail/{domain}", "jo@", "domain"},
		{"/mail/{user}/.{detail}", "jo+.@example.org", "part behind the +"},
		{"/mail/{user}/.{detail}", "jo+../x@example.org", "part behind the +"},
		{"/mail/{user}/.{detail}", "jo+..@example.org", "part behind the +"},
		{"/mail/{user}", strings.Repeat("x", 256) + "@example.org", "local part"},
		{"/mail/{user}-{domain}", strings.Repeat("x", 250) + "@example.org", "too long"},
	} {
		target, err := Parse("maildir://" + c.target)
		require.NoError(t, err)
		b, refused := target.of(c.recipient)
		require.NotNil(t, refused, "%q gets %q", c.recipient, b.dir)
		require.Equal(t, 553, refused.code)
		require.Contains(t, refused.text, c.want)
	}
}

func TestTargetErrors(t *testing.T) {
	for text, want := range map[string]string{
		"mail/{user}":                               "expected maildir:///path/{user}",
		"maildir://mail/{user}":                     "expected the whole path",
		"maildir:///":                               "expected the whole path",
		"maildir:///mail/../etc/{user}":             "expected the whole path",
		"maildir:///mail//{user}":                   "expected the whole path",
		"maildir:///mail/{user}/":                   "expected the whole path",
		"maildir:///ma\x00il/{user}":                "expected the whole path",
		"maildir:///mail/{User}":                    `"{User}": expected {user}, {domain} or {detail}`,
		"maildir:///mail/{user":                     "expected {user}, {domain} or {detail}",
		"maildir:///mail/user}":                     "expected {user}, {domain} or {detail}",
		"maildir:///mail/}{user}":                   "expected {user}, {domain} or {detail}",
		"maildir:///mail/{user}}":                   "expected {user}, {domain} or {detail}",
		"maildir:///mail/{}":                        "expected {user}, {domain} or {detail}",
		"maildir:///mail/..{detail}":                "expected no more than one dot in front",
		"maildir:///mail/{user}?quota":              `quota "": expected bytes, with K, M, G or T`,
		"maildir:///mail/{user}?quota=-1":           `quota "-1"`,
		"maildir:///mail/{user}?quota=0":            `quota "0"`,
		"maildir:///mail/{user}?quota=9E":           `quota "9E"`,
		"maildir:///mail/{user}?quota=99999999999T": "quota",
		"maildir:///mail/{user}?mode=777":           `mode "777"`,
		"maildir:///mail/{user}?mode=060":           `mode "060"`,
		"maildir:///mail/{user}?mode=0660":          `mode "0660"`,
		"maildir:///mail/{user}?create=1":           `create "1": expected yes or no`,
		"maildir:///mail/{user}?size=1":             `parameter "size": expected quota, mode or create`,
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, want, text)
	}
	target, err := Parse("maildir:///mail/x/{user}?quota=2G&mode=640&create=no")
	require.NoError(t, err)
	require.Equal(t, int64(2<<30), target.quota)
	require.Equal(t, os.FileMode(0o750)|os.ModeSetgid, target.dirMode())
	require.False(t, target.create)
	require.Equal(t, "/mail/x", target.base)
}

// FuzzMaildirOf looks for addresses whose mail leaves the directory of the mailboxes, or shares the Maildir of others.
func FuzzMaildirOf(f *testing.F) {
	f.Add("jo+x@example.org")
	f.Add(`"\.\./../x"@[IPv6:::1]`)
	f.Add("..+..@..")
	f.Add("+@")
	target, err := Parse("maildir:///mail/{domain}/{user}/.{detail}")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, recipient string) {
		b, refused := target.of(recipient)
		if refused != nil {
			return
		}
		if filepath.Clean(b.dir) != b.dir || filepath.Clean(b.root) != b.root {
			t.Fatalf("%q: %q", recipient, b)
		}
		names := strings.Split(strings.TrimPrefix(b.dir, "/mail/"), "/")
		if !strings.HasPrefix(b.dir, "/mail/") || len(names) < 2 || len(names) > 3 || len(names) == 3 && names[2][0] != '.' {
			t.Fatalf("%q: %q", recipient, b)
		}
		for _, name := range names {
			if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "\x00\r\n") {
				t.Fatalf("%q: %q", recipient, b)
			}
		}
		if b.root != "/mail/"+names[0]+"/"+names[1] {
			t.Fatalf("%q: the inbox is %q", recipient, b.root)
		}
	})
}

// FuzzParse looks for targets that can neither be used nor refused.
func FuzzParse(f *testing.F) {
	f.Add("maildir:///mail/{domain}/{user}/.{detail}?quota=1G&create=no")
	f.Add("maildir:///{")
	f.Fuzz(func(t *testing.T, text string) {
		target, err := Parse(text)
		if err != nil {
			return
		}
		if b, refused := target.of("jo+x@example.org"); refused == nil && !filepath.IsAbs(b.dir) {
			t.Fatalf("%q: %q", text, b)
		}
	})
}
