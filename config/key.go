package config

import (
	"slices"
	"strings"
)

// Key is one line of the table: everything there is to know about a key. The zero Key is not usable; [Keys] makes them.
type Key struct {
	Name    string   // "smtp-port"
	Aliases []string // other names under which it was published
	Group   string   // "SMTP server"
	Type    string   // "port list"
	Want    string   // completes "expected …"
	Default string   // as it would be written; "" when Blank says what its absence means
	// what the zero value means in words: "all", "nobody"; also understood as a value where it is one word
	Blank   string
	Meaning string // one line
	Ours    bool   // not a key of MailerQ 5.13
	Restart bool   // a change acts at the next start only
	Secret  bool   // the whole value is a secret
	Needs   string // the address without which the key does nothing: "rabbitmq-address", "cluster-address"
	Ignored string // why the key does nothing at all; such keys have no field in Config
	Lines   bool   // each line of a file, or argument, adds to the value
	Older   bool   // an older name, understood by other means than Aliases

	mask    func(string) string
	parse   func(*Config, string) error
	text    func(*Config) string
	clear   func(*Config)
	scalar  bool // an empty value is the default
	boolean bool
}

// DefaultText returns the default as documentation shows it: the value, or in words what having none means, or "–".
func (k *Key) DefaultText() string {
	switch {
	case k.Default != "":
		return k.Default
	case k.Blank != "":
		return k.Blank
	}
	return "–"
}

// set stores a value that somebody gave.
func (k *Key) set(c *Config, value string) error {
	switch {
	case value == "" && k.scalar:
		return k.reset(c)
	case k.Blank != "" && strings.EqualFold(value, k.Blank):
		k.clear(c)
		return nil
	}
	return k.parse(c, value)
}

// reset stores the default.
func (k *Key) reset(c *Config) error {
	if k.Default == "" {
		k.clear(c)
		return nil
	}
	return k.parse(c, k.Default)
}

// masked returns the effective value as it may be shown.
func (k *Key) masked(c *Config) string { return k.hide(k.text(c)) }

// hide masks what is secret in a value.
func (k *Key) hide(value string) string {
	if k.mask == nil {
		return value
	}
	return k.mask(value)
}

// key binds a name to a field of Config.
func key[T any](name, def string, c codec[T], at func(*Config) *T, meaning string) Key {
	return Key{
		Name: name, Default: def, Meaning: meaning, Type: c.kind, Want: c.want, Secret: c.kind == "secret", mask: c.mask,
		scalar:  !c.blank,
		boolean: c.kind == "boolean",
		text:    func(cfg *Config) string { return c.text(*at(cfg)) },
		clear:   func(cfg *Config) { var zero T; *at(cfg) = zero },
		parse: func(cfg *Config, s string) error {
			v, err := c.parse(s)
			if err == nil {
				*at(cfg) = v
			}
			return err
		},
	}
}

// ignored is a key that is understood and does nothing.
func ignored(name, why string) Key {
	return Key{
		Name: name, Type: "ignored", Meaning: "ignored: " + why, Ignored: why, mask: maskAll,
		text:  func(*Config) string { return "" },
		clear: func(*Config) {},
		parse: func(*Config, string) error { return nil },
	}
}

// older is a key that another one replaced; see legacy.go.
func older(name, meaning string) Key {
	k := ignored(name, meaning)
	k.Type, k.Meaning, k.Ignored, k.mask, k.Older = "older name", meaning, "", nil, true
	return k
}

func (k Key) ours() Key                 { k.Ours = true; return k }
func (k Key) restart() Key              { k.Restart = true; return k }
func (k Key) lines() Key                { k.Lines = true; return k }
func (k Key) needs(address string) Key  { k.Needs = address; return k }
func (k Key) blank(words string) Key    { k.Blank = words; return k }
func (k Key) alias(names ...string) Key { k.Aliases = names; return k }

// Keys returns the whole table in the order of the documentation.
func Keys() []Key {
	return slices.Concat(
		group("SMTP server", smtpKeys(), checkKeys()),
		group("Delivery", deliveryKeys(), throttleKeys()),
		group("DNS", dnsKeys()),
		group("Queues", queueKeys(), rabbitKeys()),
		group("Cluster", clusterKeys()),
		group("Settings database", databaseKeys()),
		group("Console", consoleKeys()),
		group("Logs", logKeys()),
		group("Web hooks", webhookKeys()),
		group("Getting mail in", spoolKeys()),
		group("Process", processKeys()),
	)
}

func group(name string, parts ...[]Key) []Key {
	all := slices.Concat(parts...)
	for i := range all {
		all[i].Group = name
	}
	return all
}

// table is the keys, to be found by name.
type table struct {
	keys   []Key
	byName map[string]*Key // aliases too
	names  []string        // of byName, in the order of keys
}

func newTable() *table {
	t := &table{keys: Keys()}
	t.byName = make(map[string]*Key, 2*len(t.keys))
	for i := range t.keys {
		k := &t.keys[i]
		for _, name := range append([]string{k.Name}, k.Aliases...) {
			t.byName[name] = k
			t.names = append(t.names, name)
		}
	}
	return t
}
