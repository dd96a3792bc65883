package axe_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/dev/axe"
	"github.com/sluicemail/sluice/dev/chromium"
)

// TestFindings shows a page with faults of which each kind of rule knows one.
func TestFindings(t *testing.T) {
	script := axe.Need(t)
	b := chromium.Start(t, "data:text/html,")
	b.Open(`<!doctype html><html lang="en"><title>A page</title><main><h1>A page</h1><img src="data:,">` +
		`<button aria-label="Switch Gmail off">Switch off</button><table><tr><th></th></tr><tr><td>1</td></tr></table></main>`)
	found, err := axe.Check(b.Context, script)
	require.NoError(t, err)
	rules := map[string]string{}
	for _, f := range found {
		rules[f.ID] = f.String()
	}
	require.Contains(t, rules, "image-alt")
	require.Contains(t, rules, "empty-table-header")
	require.Contains(t, rules["label-content-name-mismatch"], `<button aria-label="Switch Gmail off">`)
}
