package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"syscall"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/doctor"
	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/mta"
	findings "github.com/sluicemail/sluice/preflight"
)

const doctorUsage = `mtad doctor [--config-file FILE] [--json] [DOMAIN...]

Examines the installation, whether the server runs or not: what the DNS says of its addresses and domains, its ports, keys and
certificates, and the machine. Domains are looked at beside those of the keys in the settings. Nothing is changed.

  mtad doctor
  mtad doctor --json example.com

Exit codes: 0 when there is nothing, or notices only; 1 with warnings; 2 with errors; 64 usage; 78 the configuration.
`

// examine is mtad doctor.
func examine(c *Call) int {
	args := slices.Clone(c.Args)
	asJSON := slices.Contains(args, "--json")
	args = slices.DeleteFunc(args, func(a string) bool { return a == "--json" })
	cfg, report, err := config.Load(mta.Sources(args, c.Environ))
	domains := report.Switches.Addresses
	switch {
	case report.Switches.Help:
		fmt.Fprint(c.Stdout, doctorUsage)
		return ExitOK
	case err != nil:
		fmt.Fprintln(c.Stderr, err)
		return ExitConfig
	}
	for i, domain := range domains {
		if domains[i] = addr.Fold(domain); !addr.ValidDomain(domains[i], 0) {
			fmt.Fprintf(c.Stderr, "mtad doctor: %.100q: expected a domain\n", domain)
			return exitUsage
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	found, err := mta.Doctor(ctx, cfg, report, domains)
	if err != nil {
		fmt.Fprintln(c.Stderr, "mtad doctor:", err)
		return ExitConfig
	}
	if asJSON {
		_ = json.NewEncoder(c.Stdout).Encode(found)
	} else {
		printReport(c.Stdout, found)
	}
	switch found.Worst() {
	case findings.Error:
		return 2
	case findings.Warning:
		return 1
	}
	return ExitOK
}

func printReport(w io.Writer, r *doctor.Report) {
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s %s: %s: %s\n  do: %s\n", f.Severity, f.ID, f.Where, f.What, f.Remedy)
	}
	for _, c := range r.Checks {
		if c.Late {
			fmt.Fprintf(w, "%s was broken off: there may be more to find\n", c.Check)
		}
	}
	fmt.Fprintf(w, "%d findings in %d checks\n", len(r.Findings), len(r.Checks))
}
