package mta

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/delivery/resolver"
	"github.com/sluicemail/sluice/delivery/sign"
	"github.com/sluicemail/sluice/doctor"
	"github.com/sluicemail/sluice/internal/addr"
)

// Doctor examines the installation of a configuration, whether its server runs or not. Domains are looked at beside
// those of its keys; report may be nil.
func Doctor(ctx context.Context, cfg *config.Config, report *config.Report, domains []string) (*doctor.Report, error) {
	dns, err := resolver.New(resolverOptions(cfg))
	if err != nil {
		return nil, err
	}
	defer dns.Close()
	rows, away := readSettings(ctx, cfg)
	m := machineOf(cfg, report, rows, dns)
	m.Settings = away
	m.Domains = distinct(append(m.Domains, domains...))
	return doctor.Examine(ctx, m), nil
}

// readSettings reads the settings database once.
func readSettings(ctx context.Context, cfg *config.Config) (*settings.Rows, error) {
	db, err := settings.Open(ctx, cfg.DatabaseAddress, settings.Options{SkipValidation: true})
	if err != nil {
		return new(settings.Rows), err
	}
	defer db.Close()
	rows, err := db.Load(ctx)
	if err != nil {
		return new(settings.Rows), err
	}
	return rows, nil
}

// examine examines the installation for the console.
func (m *MTA) examine(ctx context.Context) *doctor.Report {
	current := m.settings.Current()
	one := machineOf(m.config.Load(), m.report, current.Rows, m.resolver)
	one.Settings = m.settings.State().Err
	for _, b := range current.Broken {
		one.Broken = append(one.Broken, b.String())
	}
	return doctor.Examine(ctx, one)
}

// blockListZones are asked about the own addresses where dnsbl-zones names none.
var blockListZones = []string{"zen.spamhaus.org", "bl.spamcop.net"}

// machineOf says what there is to examine.
func machineOf(cfg *config.Config, report *config.Report, rows *settings.Rows, dns *resolver.Resolver) *doctor.Machine {
	m := &doctor.Machine{Hostname: cfg.HELO(), Resolver: dns, Validating: cfg.TLSPolicy != "off" && cfg.DNSTrustAD,
		Directory: cfg.QueueDir(), Connections: cfg.SMTPConnections, Memory: cfg.SMTPMemory, BlockLists: cfg.DNSBLZones}
	if len(m.BlockLists) == 0 {
		m.BlockLists = blockListZones
	}
	m.Sources = publicSources(cfg, rows)
	if len(m.Sources) == 0 {
		m.Advice = append(m.Advice, doctor.Advice{Where: "addresses", Mild: true,
			Text: "no address of this machine is public: names, SPF and block lists were not looked at. " +
				"Behind NAT, tell the public one as an external MTA"})
	}
	for _, s := range dns.Servers() {
		m.Servers = append(m.Servers, s.Address)
	}
	addKeys(m, rows)
	addReceived(m, rows)
	addPorts(m, cfg)
	if report != nil {
		for _, w := range report.Warnings {
			m.Advice = append(m.Advice, doctor.Advice{Where: w.Origin.String(), Text: w.Text, Mild: w.Info})
		}
	}
	return m
}

// publicSources are the addresses that mail leaves from and others see, with what each says in EHLO.
func publicSources(cfg *config.Config, rows *settings.Rows) (all []doctor.Source) {
	ips := cfg.SMTPDefaultIPs
	if len(ips) == 0 {
		ips = LocalAddresses()
	}
	for _, e := range rows.ExternalMTAs {
		if ip, err := netip.ParseAddr(e.PublicIP); err == nil && e.Enabled {
			ips = append(slices.Clip(ips), ip)
		}
	}
	names := map[string]string{}
	for _, n := range rows.MTANames {
		names[n.LocalIP] = n.Name
	}
	for _, ip := range ips {
		if ip = ip.Unmap(); public(ip) {
			name := names[ip.String()]
			if name == "" {
				name = cfg.HELO()
			}
			all = append(all, doctor.Source{IP: ip, Name: name})
		}
	}
	return all
}

// addKeys tells of the keys of the settings and the domains that they sign for.
func addKeys(m *doctor.Machine, rows *settings.Rows) {
	for _, k := range rows.DKIMKeys {
		if !k.Enabled {
			continue
		}
		m.Domains = append(m.Domains, addr.Fold(k.Domain))
		if key, err := sign.ParseKey(string(k.PrivateKey)); err == nil {
			m.Keys = append(m.Keys, doctor.Key{Domain: addr.Fold(k.Domain), Selector: k.Selector, Public: key.Public()})
		}
	}
	m.Domains = distinct(m.Domains)
}

// addReceived tells of the domains of local addresses that name one.
func addReceived(m *doctor.Machine, rows *settings.Rows) {
	for _, l := range rows.Locals {
		if domain := addr.Domain(l.Address); l.Enabled && domain != "" && addr.ValidDomain(domain, 0) {
			m.Receives = append(m.Receives, domain)
		}
	}
	m.Receives = distinct(m.Receives)
}

// addPorts tells of the ports and their certificates.
func addPorts(m *doctor.Machine, cfg *config.Config) {
	ips := cfg.SMTPIP
	if len(ips) == 0 {
		ips = []netip.Addr{netip.IPv4Unspecified()}
	}
	for _, ip := range ips {
		if ip.IsUnspecified() {
			ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		add := func(kind string, ports []int, implicit bool) {
			for _, port := range ports {
				address := net.JoinHostPort(ip.String(), strconv.Itoa(port))
				m.Listeners = append(m.Listeners, doctor.Listener{Name: kind + " " + address, Address: address, Implicit: implicit,
					StartTLS: len(cfg.SMTPCertificate) > 0})
			}
		}
		add("smtp", cfg.SMTPPort, false)
		add("smtps", cfg.SMTPSecurePort, true)
		add("submission", cfg.SubmissionPort, false)
	}
	for _, address := range onPort(cfg.WWWIP, cfg.WWWPort) {
		if strings.HasPrefix(address, ":") {
			address = "0.0.0.0" + address
		}
		m.Consoles = append(m.Consoles, address)
	}
	for i, file := range cfg.SMTPCertificate {
		if i < len(cfg.SMTPKey) {
			m.Certificates = append(m.Certificates, doctor.Certificate{Use: "smtp-certificate", Cert: file, Key: cfg.SMTPKey[i],
				Names: []string{cfg.HELO()}})
			m.Files = append(m.Files, cfg.SMTPKey[i])
		}
	}
	if cfg.WWWCertificate != "" {
		c := doctor.Certificate{Use: "www-certificate", Cert: cfg.WWWCertificate, Key: cfg.WWWPrivateKey}
		if cfg.WWWHost != "" {
			c.Names = []string{cfg.WWWHost}
		}
		m.Certificates, m.Files = append(m.Certificates, c), append(m.Files, cfg.WWWPrivateKey)
	}
}

func distinct(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}
