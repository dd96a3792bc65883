package mta

import (
	"cmp"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/snapshot"
	"github.com/sluicemail/sluice/queue/rabbitmq/cluster"
)

// ClusterOptions say where the instances of a configuration meet.
func ClusterOptions(cfg *config.Config) cluster.Options {
	return cluster.Options{
		Addresses: cfg.ClusterAddress,
		NoVerify:  !cfg.ClusterVerify,
		Name:      "mtad on " + cfg.HELO(),
		Exchange:  cfg.ClusterExchange,
	}
}

// joinCluster joins the other instances, wherever this one keeps its queue. Nil: there is no cluster. heard is called
// when another one has addresses that were not known.
func joinCluster(b *base, settings *snapshot.Keeper, from *origins, heard func()) *cluster.Member {
	if len(b.cfg.ClusterAddress) == 0 {
		return nil
	}
	o := ClusterOptions(b.cfg)
	o.Logger = b.log
	o.File = filepath.Join(b.cfg.QueueDir(), "cluster.json")
	o.Heard = heard
	member := cluster.Join(o, func() cluster.Instance { return announced(b.cfg, from.all()) },
		func() { reloadSettings(settings) })
	b.onClose(member.Close)
	return member
}

// announced is what the other instances hear of this one.
func announced(cfg *config.Config, ips []netip.Addr) cluster.Instance {
	i := cluster.Instance{Host: cfg.HELO(), URL: consoleURL(cfg), IPs: reachable(ips)}
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
	return scheme + "://" + net.JoinHostPort(cmp.Or(cfg.WWWHost, cfg.HELO()), strconv.Itoa(port)) + "/"
}

// elsewhere finds the outbox of the instance that has an address, and whether one may be heard of. The address of a row
// of external MTAs that makes no sense is awaited, too: somebody is going to mend the row.
func elsewhere(config *atomic.Pointer[config.Config], from *origins,
	member *cluster.Member) func(netip.Addr) (string, bool) {
	return func(ip netip.Addr) (outbox string, awaited bool) {
		if from.external().Broken(ip) {
			return "", true
		}
		if member == nil || ip.IsLoopback() || !sharesQueues(config.Load()) {
			return "", false
		}
		outbox, _ = member.Owner(ip)
		return outbox, true
	}
}
