package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/mta"
	"github.com/sluicemail/sluice/queue/rabbitmq/cluster"
)

// brokerTime is how long the broker of the cluster may take.
const brokerTime = 30 * time.Second

// askCluster is what --list-cluster and --notify-cluster do.
func askCluster(cfg *config.Config, s config.Switches, stdout, stderr io.Writer) int {
	if len(cfg.ClusterAddress) == 0 {
		fmt.Fprintln(stderr, "mtad: there is no cluster: neither cluster-address nor rabbitmq-address is set")
		return ExitConfig
	}
	ctx, cancel := context.WithTimeout(context.Background(), brokerTime)
	defer cancel()
	o := mta.ClusterOptions(cfg)
	if s.NotifyCluster {
		if err := cluster.Notify(ctx, o); err != nil {
			fmt.Fprintln(stderr, "mtad:", err)
			return ExitFailed
		}
	}
	if !s.ListCluster {
		return ExitOK
	}
	list, err := cluster.List(ctx, o, cfg.ClusterTimeout)
	if err != nil {
		fmt.Fprintln(stderr, "mtad:", err)
		return ExitFailed
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, i := range list {
		ips := make([]string, len(i.IPs))
		for n, ip := range i.IPs {
			ips[n] = ip.String()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", orDash(i.Host), orDash(i.URL), orDash(i.Outbox),
			orDash(strings.Join(ips, ",")))
	}
	if table.Flush() != nil {
		return ExitFailed
	}
	return ExitOK
}

func orDash(s string) string { return cmp.Or(s, "-") }
