package console_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/axe"
	"github.com/sluicemail/sluice/dev/chromium"
	"github.com/sluicemail/sluice/internal/consoletest"
)

// TestEveryPageIsAccessible holds every page, filled, against the rules of axe-core.
func TestEveryPageIsAccessible(t *testing.T) {
	t.Parallel() // with the other browsers: they wait more than they work
	o, _ := busyOffice(t)
	require.Greater(t, accessible(t, o, everyPage(t)), 30)
}

// TestPagesOfOneThingAreAccessible does the same for the pages of a domain, a rule, a mail.
func TestPagesOfOneThingAreAccessible(t *testing.T) {
	t.Parallel()
	o, things := busyOffice(t)
	require.Greater(t, accessible(t, o, things), 40)
}

// each is how many pages one browser looks at: looking closely takes time, and each browser has so much of it.
const each = 12

// accessible returns how many pages it held against the rules.
func accessible(t *testing.T, o *consoletest.Office, paths []string) (looked int) {
	script := axe.Need(t)
	paths = slices.DeleteFunc(paths, func(path string) bool {
		return !strings.HasPrefix(o.Get(path).Body, "<!doctype html>") // a part for scripts, a download, or the way elsewhere
	})
	for some := range slices.Chunk(paths, each) {
		t.Run(some[0], func(t *testing.T) {
			b := chromium.Start(t, o.Server.URL)
			check := func(path string) {
				looked++
				found, err := axe.Check(b.Context, script)
				require.NoError(t, err, path)
				for _, f := range found {
					assert.Fail(t, "a rule of accessibility is broken", "%s: %v", path, f)
				}
			}
			b.Open("/login")
			check("/login")
			b.LogIn("/access", "admin", "secret")
			b.Await(`document.querySelector("#live[data-state=on]")`)
			for _, path := range some {
				b.Open(path)
				b.Await(`document.readyState === "complete" && document.querySelector("#live[data-state=on]")`)
				check(path)
			}
		})
	}
	return looked
}
