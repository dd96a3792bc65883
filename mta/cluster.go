package mta

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/queue/rabbitmq/cluster"
)

func clusterOptions(cfg *config.Config) cluster.Options {
	return cluster.Options{
		Addresses: cfg.ClusterAddress,
		NoVerify:  !cfg.ClusterVerify,
		Name:      "mtad on " + heloName(cfg),
		Exchange:  cfg.ClusterExchange,
	}
}

// openCluster joins the other instances, wherever this one keeps its queue.
func (a *app) openCluster(cfg *config.Config) error {
	if len(cfg.ClusterAddress) == 0 {
		return nil
	}
	o := clusterOptions(cfg)
	o.Logger = a.log
	o.File = filepath.Join(queueDir(cfg), "cluster.json")
	o.Heard = a.heardOf
	a.cluster = cluster.Join(o, func() cluster.Instance { return announced(cfg, a.sources()) }, a.reloadSettings)
	a.onClose(a.cluster.Close)
	return nil
}

// announced is what the other instances hear of this one.
func announced(cfg *config.Config, ips []netip.Addr) cluster.Instance {
	i := cluster.Instance{Host: heloName(cfg), URL: consoleURL(cfg), IPs: reachable(ips)}
	if sharesQueues(cfg) {
		i.Outbox = cfg.RabbitMQOutbox
	}
	return i
}

// reachable are the addresses that mean something to others: each machine has its own loopback and link-local ones.
func reachable(ips []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(ips),
		func(ip netip.Addr) bool { return ip.IsLoopback() || ip.IsLinkLocalUnicast() })
}

// sharesQueues reports whether the other instances can publish to the queues of this one.
func sharesQueues(cfg *config.Config) bool {
	return len(cfg.RabbitMQAddress) > 0 && slices.Equal(cfg.RabbitMQAddress, cfg.ClusterAddress)
}

// consoleURL is where the other instances link to.
func consoleURL(cfg *config.Config) string {
	scheme, port := "http", cfg.WWWPort
	if cfg.WWWSecurePort != 0 {
		scheme, port = "https", cfg.WWWSecurePort
	}
	if cfg.WWWURL != "" || port == 0 {
		return cfg.WWWURL
	}
	return scheme + "://" + net.JoinHostPort(cmp.Or(cfg.WWWHost, heloName(cfg)), strconv.Itoa(port)) + "/"
}

// tellCluster tells the other instances that the settings have changed.
func (a *app) tellCluster() {
	if a.cluster != nil {
		a.cluster.Changed()
	}
}

// elsewhere returns the outbox of the instance that has an address, and whether one may be heard of. The address of a
// row of external MTAs that makes no sense is awaited, too: somebody is going to mend the row.
func (a *app) elsewhere(ip netip.Addr) (outbox string, awaited bool) {
	if a.externalMTAs().Broken(ip) {
		return "", true
	}
	if a.cluster == nil || ip.IsLoopback() || !sharesQueues(a.config.Load()) {
		return "", false
	}
	outbox, _ = a.cluster.Owner(ip)
	return outbox, true
}

// heardOf has mail looked at again that waits for an instance, or a row of external MTAs, with its addresses.
func (a *app) heardOf() {
	if a.started.Load() {
		a.engine.LookElsewhere()
	}
}

// askCluster is what --list-cluster and --notify-cluster do.
func askCluster(cfg *config.Config, s config.Switches, stdout, stderr io.Writer) int {
	if len(cfg.ClusterAddress) == 0 {
		fmt.Fprintln(stderr, "mtad: there is no cluster: neither cluster-address nor rabbitmq-address is set")
		return exitConfig
	}
	ctx, cancel := context.WithTimeout(context.Background(), brokerTime)
	defer cancel()
	o := clusterOptions(cfg)
	if s.NotifyCluster {
		if err := cluster.Notify(ctx, o); err != nil {
			fmt.Fprintln(stderr, "mtad:", err)
			return exitFailed
		}
	}
	if !s.ListCluster {
		return exitOK
	}
	list, err := cluster.List(ctx, o, cfg.ClusterTimeout)
	if err != nil {
		fmt.Fprintln(stderr, "mtad:", err)
		return exitFailed
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
		return exitFailed
	}
	return exitOK
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
