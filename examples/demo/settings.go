package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"time"

	store "github.com/sluicemail/sluice/config/settings"
)

// ownDomain is that of the shop whose mail this is.
const ownDomain = "shop.example"

// source is an address that mail leaves from.
type source struct {
	ip, name, label, pool string
	usual                 bool // mail that asks for nothing leaves from it
}

func sources() []source {
	return []source{
		{"203.0.113.11", "mail1." + ownDomain, "Rack 1, left", "transactional", true},
		{"203.0.113.12", "mail2." + ownDomain, "Rack 1, right", "transactional", true},
		{"203.0.113.21", "news1." + ownDomain, "Newsletters", "newsletter", false},
		{"203.0.113.22", "news2." + ownDomain, "Newsletters", "newsletter", false},
		{"198.51.100.7", "fresh." + ownDomain, "New address, warming up", "warm-up", false},
	}
}

// signingKey is what the DNS has to know of a DKIM key.
type signingKey struct{ name, record string }

// fillSettings writes what an operator would have into the settings database, unless there is something in it; the
// ports of the proxies are always those of now. It returns the key that mail is signed with.
func fillSettings(ctx context.Context, database string, doors []door) (key signingKey, err error) {
	db, err := store.Open(ctx, database, store.Options{})
	if err != nil {
		return key, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.Load(ctx)
	if err != nil {
		return key, err
	}
	if len(rows.ExternalMTAs) > 0 {
		return refill(ctx, db, rows, doors)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return key, err
	}
	err = db.Tx(ctx, func(tx *store.Tx) error {
		w := &writer{ctx: ctx, tx: tx}
		w.addresses(doors)
		w.throttles()
		w.steering()
		w.rules()
		w.signing(private)
		w.others()
		return w.err
	})
	return record(&private.PublicKey), err
}

// refill adapts the settings of an earlier demo.
func refill(ctx context.Context, db *store.DB, rows *store.Rows, doors []door) (key signingKey, err error) {
	for i := range rows.ExternalMTAs {
		row := &rows.ExternalMTAs[i]
		for _, d := range doors {
			if row.PublicIP == d.ip {
				row.ConnectPort = d.port()
				if err := store.Update(ctx, db, row); err != nil {
					return key, err
				}
			}
		}
	}
	for _, row := range rows.DKIMKeys {
		block, _ := pem.Decode([]byte(row.PrivateKey))
		if row.Domain != ownDomain || block == nil {
			continue
		}
		if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if private, ok := parsed.(*rsa.PrivateKey); ok {
				return record(&private.PublicKey), nil
			}
		}
	}
	return key, nil
}

const selector = "demo"

// record is the DNS record of a key (RFC 6376 §3.6.1).
func record(public *rsa.PublicKey) signingKey {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return signingKey{}
	}
	return signingKey{selector + "._domainkey." + ownDomain, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)}
}

// writer inserts rows until one fails.
type writer struct {
	ctx context.Context
	tx  *store.Tx
	err error
}

func insert[T store.Entity[T]](w *writer, rows ...*T) {
	for _, row := range rows {
		if w.err == nil {
			w.err = store.Insert(w.ctx, w.tx, row)
		}
	}
}

// addresses are what mail leaves from: all of them behind a proxy of the demo.
func (w *writer) addresses(doors []door) {
	insert(w, &store.Pool{Name: "transactional", Description: "Receipts, log-in codes: never late", Enabled: true},
		&store.Pool{Name: "newsletter", Description: "Campaigns", Enabled: true},
		&store.Pool{Name: "warm-up", Description: "New addresses that the providers do not know yet", Enabled: true})
	for _, d := range doors {
		insert(w, &store.ExternalMTA{PublicIP: d.ip, ConnectIP: "127.0.0.1", ConnectPort: d.port(), Protocol: "socks",
			Enabled: true})
		insert(w, &store.MTAName{LocalIP: d.ip, Name: d.name})
		insert(w, &store.MTALabel{LocalIP: d.ip, Label: d.label})
		insert(w, &store.PoolIP{Pool: d.pool, IP: d.ip})
	}
}

// limits are limits that leave everything to less specific rules, but for what set changes.
func limits(set func(*store.Limits)) store.Limits {
	l := store.FallBackLimits()
	set(&l)
	return l
}

// throttle adds limits for domains; "" is all mail. It returns their id.
func (w *writer) throttle(name string, set func(*store.Limits), domains ...string) int64 {
	c := &store.Capacity{Name: name, Limits: limits(set), Enabled: true}
	insert(w, c)
	for _, domain := range domains {
		insert(w, &store.CapacityRule{Capacity: c.ID, Domain: domain, Enabled: true})
	}
	return c.ID
}

// throttles are limits for each provider, a warm-up, and a flood pattern.
func (w *writer) throttles() {
	w.throttle("All mail", func(l *store.Limits) {
		l.Site.MaxConnections, l.ConnectionMaxMessages, l.TimeoutConnect, l.TimeoutMessage = 20, 100, 10, 20
		l.ConnectionOffline, l.GreylistDelay, l.GreylistSameIP = 30, 15, 1
	}, "")
	w.throttle("Gmail", func(l *store.Limits) {
		l.Site.MaxMessages, l.Site.MaxConnections, l.ConnectionMaxMessages, l.IP.MaxConnections = 1200, 10, 50, 4
	}, "gmail.example")
	w.throttle("Microsoft", func(l *store.Limits) {
		l.Site.MaxMessages, l.Site.MaxConnections, l.ConnectionMaxMessages, l.Security = 60, 5, 20, 2
	}, "outlook.example", "hotmail.example", "live.example")
	w.throttle("Yahoo", func(l *store.Limits) { l.Site.MaxConnections, l.ConnectionMaxMessages = 5, 20 }, "yahoo.example",
		"ymail.example")
	w.throttle("Orange: two connections, no more",
		func(l *store.Limits) { l.Site.MaxConnections, l.ConnectionMaxMessages = 2, 100 }, "orange.example")

	first := w.throttle("Warm-up, first days", func(l *store.Limits) { l.Site.MaxMessages = 20 })
	then := w.throttle("Warm-up, first week", func(l *store.Limits) { l.Site.MaxMessages = 30 })
	later := w.throttle("Warm-up, second week", func(l *store.Limits) { l.Site.MaxMessages = 120 })
	warm := &store.Schedule{Name: "New address", Enabled: true}
	insert(w, warm)
	insert(w, &store.ScheduleStep{Schedule: warm.ID, Day: 1, Capacity: first},
		&store.ScheduleStep{Schedule: warm.ID, Day: 3, Capacity: then},
		&store.ScheduleStep{Schedule: warm.ID, Day: 8, Capacity: later})
	insert(w, &store.ScheduleRule{Schedule: warm.ID, Pool: "warm-up", Domain: "gmail.example", Enabled: true})
	yesterday := store.FormatTime(time.Now().Add(-24 * time.Hour))
	insert(w, &store.ScheduleDay{LocalIP: "198.51.100.7", Site: "gmail.example", Day: 4, LastSent: yesterday})

	insert(w, &store.FloodResponse{Name: "Yahoo is annoyed", Pattern: "TSS04", Type: store.Contains,
		Domain: "yahoo.example", Pause: 20, Duration: 40,
		Limits: limits(func(l *store.Limits) { l.Site.MaxMessages, l.Site.MaxConnections = 25, 1 }), Enabled: true},
		&store.FloodResponse{Name: "Gmail sees too much", Pattern: "4.7.28", Type: store.Contains, Domain: "gmail.example",
			Pause: 0, Duration: 15,
			Limits: limits(func(l *store.Limits) { l.Site.MaxMessages = 900 }), Enabled: true})
}

// steering is what is decided for some of the mail at the moment.
func (w *writer) steering() {
	soon := store.FormatTime(time.Now().Add(30 * time.Minute))
	insert(w, &store.Pause{Target: "holiday.example", Cluster: true, Expire: soon, Enabled: true},
		&store.Pause{Tag: "campaign-48", Cluster: true, Expire: soon, Enabled: true})
	insert(w, &store.ForcedError{Domain: "closed.example", Code: 550, Extended: "5.1.2",
		Description: "The provider has closed; addresses are being removed", Cluster: true, Enabled: true})
	insert(w, &store.Delegate{LocalIP: "203.0.113.22", Domain: "icloud.example", NewIP: "203.0.113.12", Enabled: true})
	for i, name := range []string{"anna.bell", "ben.costa", "carla.dunn"} {
		insert(w, &store.Suppression{Value: name + "@" + []string{"gmail.example", "icloud.example", "proton.example"}[i],
			Type: "address", Code: 550, Extended: "5.7.1",
			Description: "Asked us to stop on " + time.Now().AddDate(0, -i, -3).Format(time.DateOnly), Enabled: true})
	}
	insert(w, &store.Suppression{Value: "spamtrap.example", Type: "domain", Code: 550, Extended: "5.7.1",
		Description: "No real people", Enabled: true})
}

// rules change mail on its way, and what replies lead to.
func (w *writer) rules() {
	trim := &store.RewriteTrigger{Name: "Mark campaigns", Tag: "newsletter", Priority: 10, Enabled: true}
	insert(w, trim)
	insert(w, &store.RewriteCondition{Trigger: trim.ID, Property: "subject", Type: store.Wildcard, Value: "*%*"})
	insert(w, &store.RewriteAction{Trigger: trim.ID, Type: "addtag", Value: "discount"})
	urgent := &store.RewriteTrigger{Name: "Codes never wait for long", Tag: "log-in", Priority: 20, Final: true,
		Enabled: true}
	insert(w, urgent)
	insert(w, &store.RewriteAction{Trigger: urgent.ID, Type: "setpool", Value: "transactional"})

	full := &store.ResponsePattern{Name: "Inbox is full", Pattern: "out of storage", Type: store.Contains, Priority: 10,
		Enabled: true}
	later := &store.ResponseAction{Name: "Try again in five minutes", Type: "retry", Value: "300"}
	insert(w, full)
	insert(w, later)
	insert(w, &store.ResponseLink{Pattern: full.ID, Action: later.ID})
}

// signing has mail of the shop signed with a key that the name server publishes.
func (w *writer) signing(private *rsa.PrivateKey) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		w.err = errors.Join(w.err, err)
		return
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	key := &store.DKIMKey{Domain: ownDomain, Selector: selector, PrivateKey: store.Secret(text), CheckDNS: true,
		Enabled: true}
	insert(w, key)
	insert(w, &store.DKIMPattern{DKIMKey: key.ID, Type: store.Exact, Sign: ownDomain})
}

// others are whose mail is taken and whose is not.
func (w *writer) others() {
	insert(w, &store.Local{Address: "*@" + ownDomain, Type: store.Wildcard, Enabled: true})
	insert(w, &store.Block{Value: "198.18.0.0/15", Code: 554, Description: "No mail from this network, please call us",
		Enabled: true},
		&store.Block{Value: "casino.test", Code: 550, Description: "We do not gamble", Enabled: true})
	_, hash := store.NewToken()
	insert(w, &store.Token{Name: "Monitoring", Hash: hash, Created: store.FormatTime(time.Now()), Enabled: true})
	insert(w, &store.Route{Domain: "partner.test", Relay: "127.0.1.1", Enabled: false})
}
