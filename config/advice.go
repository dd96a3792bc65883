package config

import (
	"slices"
	"strings"
)

// idle warns about listeners that nobody can use.
func (l *loader) idle() {
	c := l.cfg
	noTLS := len(c.SMTPCertificate) == 0
	if len(c.SMTPRange) == 0 && len(c.SMTPPort)+len(c.SMTPSecurePort) > 0 {
		l.warn(l.origins["smtp-range"],
			"smtp-range names nobody: no client may connect; name those that may, for example smtp-range: 127.0.0.0/8")
	}
	if len(c.SMTPAuth) > 0 && noTLS {
		l.warn(l.origins["smtp-auth"],
			"smtp-auth without smtp-certificate and smtp-key: logging in is possible from loopback only")
	}
	if l.given("rabbitmq-outbox") && !l.given("rabbitmq-inbox") && c.RabbitMQOutbox != c.RabbitMQInbox {
		l.warn(l.origins["rabbitmq-outbox"],
			"rabbitmq-inbox is still %s: mail received is not sent on from there; set it to %s if it should be", c.RabbitMQInbox,
			cut(c.RabbitMQOutbox))
	}
	if l.given("rabbitmq-inbox") && c.RabbitMQInbox == "" {
		l.warn(l.origins["rabbitmq-inbox"], "rabbitmq-inbox is empty: mail received is discarded")
	}
}

// pointless warns about keys that do nothing without another one.
func (l *loader) pointless() {
	c := l.cfg
	for i := range l.table.keys {
		k := &l.table.keys[i]
		if k.Ignored != "" && l.given(k.Name) {
			l.note(l.origins[k.Name], "%s is ignored: %s", k.Name, k.Ignored)
		}
	}
	l.brokerless()
	if len(c.RabbitMQAddress) > 0 && l.given("queue-address") {
		l.warn(l.origins["queue-address"], "queue-address is not used: rabbitmq-address takes its place")
	}
	check := func(name string) bool { return slices.Contains(c.SMTPCheck, name) }
	l.without("smtp-check", check("dnsbl") && len(c.DNSBLZones) == 0, "dnsbl does nothing without dnsbl-zones")
	l.without("spam-reject-score", c.SpamRejectScore > 0 && !check("spam"), "it does nothing without spam in smtp-check")
	l.without("spam-subject", c.SpamSubject != "" && !check("spam"), "it does nothing without spam in smtp-check")
	l.without("virus-action", c.VirusAction == "reject" && !check("virus"), "it does nothing without virus in smtp-check")
	l.without("dmarc-enforce", c.DMARCEnforce && !check("dmarc"), "it does nothing without dmarc in smtp-check")
	l.without("dnsbl-reject", c.DNSBLReject && !check("dnsbl"), "it does nothing without dnsbl in smtp-check")
	l.without("storage-policy", c.StoragePolicy != "none" && c.StorageAddress == "",
		"it does nothing without storage-address")
	l.without("storage-address", strings.Contains(strings.ToLower(c.StorageAddress), "maxquerysize="),
		"maxQuerySize does nothing: each query asks for one mail")
}

func (l *loader) without(name string, pointless bool, text string) {
	if pointless {
		l.warn(l.origins[name], "%s: %s", name, text)
	}
}

// brokerless warns once about all keys that only a broker understands, when there is none.
func (l *loader) brokerless() {
	none := map[string]bool{"rabbitmq-address": len(l.cfg.RabbitMQAddress) == 0,
		"cluster-address": len(l.cfg.ClusterAddress) == 0}
	var names []string
	var first Origin
	for i := range l.table.keys {
		k := &l.table.keys[i]
		if !none[k.Needs] || !l.given(k.Name) {
			continue
		}
		if names == nil {
			first = l.origins[k.Name]
		}
		names = append(names, k.Name)
	}
	if names != nil {
		l.warn(first,
			"only RabbitMQ understands %s, and there is no rabbitmq-address: either set rabbitmq-address, or leave them out and stay with the embedded queue of queue-address",
			strings.Join(names, ", "))
	}
}

// unsupported warns about keys that were given although what they control does not exist in this program.
func (l *loader) unsupported() {
	if l.src.Supported == nil {
		return
	}
	for i := range l.table.keys {
		k := &l.table.keys[i]
		if l.given(k.Name) && k.Ignored == "" && !k.Older && !l.src.Supported(k.Name) {
			l.warn(l.origins[k.Name], "%s is understood, but this version does nothing with it yet", k.Name)
		}
	}
}
