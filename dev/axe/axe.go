// Package axe holds the page that a browser shows against the rules of axe-core, which scripts/install-servers.sh keeps
// in the user's cache: WCAG 2.2 up to AA, what is good practice, and the rules that axe-core still calls experimental.
package axe

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sluicemail/sluice/internal/testserver"
)

// version is that of axe-core, and a part of its file's name.
const version = "4.14.1"

// Script returns the text of axe-core.
func Script() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(cache, "sluice-test", "axe-core-"+version+".js"))
	if err != nil {
		return "", fmt.Errorf("not installed: axe-core %s; scripts/install-servers.sh downloads it: %w", version, err)
	}
	return string(text), nil
}

// Need is Script for tests, which are skipped, or fail, as testserver.Need says.
func Need(t testing.TB) string {
	t.Helper()
	script, err := Script()
	switch {
	case err != nil && os.Getenv(testserver.RequireEnv) == "1":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
	return script
}

// Finding is a rule that a page breaks, and where.
type Finding struct {
	ID     string // of the rule, as in "color-contrast"
	Impact string // "minor" to "critical"
	Help   string // what the rule demands
	Nodes  []Node
}

// Node is an element that breaks a rule.
type Node struct {
	HTML string
	Why  string `json:"failureSummary"`
}

// String tells a finding with its elements, a line each.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s): %s", f.ID, f.Impact, f.Help)
	for _, n := range f.Nodes {
		fmt.Fprintf(&b, "\n  %s\n    %s", n.HTML, strings.Join(strings.Fields(n.Why), " "))
	}
	return b.String()
}

// run has axe-core look at the page. Frames are left out: those of the console show what others have written.
const run = `;axe.run(document, {iframes: false, resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa",
	"wcag22aa", "best-practice", "experimental"]}).then((found) => found.violations.map(({id, impact, help, nodes}) => ({id, impact, help,
	nodes: nodes.map(({html, failureSummary}) => ({html, failureSummary}))})))`

// Check returns the rules that the page of a tab breaks.
func Check(tab context.Context, script string) ([]Finding, error) {
	return chromedp.Run(tab, chromedp.Evaluate[[]Finding](script+run, chromedp.EvalAwaitPromise))
}
