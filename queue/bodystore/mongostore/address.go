package mongostore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluicemail/sluice/internal/rawurl"
	"github.com/sluicemail/sluice/queue/bodystore"
)

// Options say where a collection is. URI must be set.
type Options struct {
	// URI is for the driver: mongodb://user:password@host1,host2/authdb?options.
	URI string
	// Database and Collection; "" means mailerq and mime.
	Database, Collection string
	// Attempts is how often a mail is looked for before it counts as missing; zero is once.
	Attempts int
}

// String names hosts, database and collection, without the password.
func (o Options) String() string {
	hosts := strings.TrimPrefix(o.URI, "mongodb://")
	hosts, _, _ = strings.Cut(hosts[strings.LastIndexByte(hosts, '@')+1:], "/")
	return "mongodb://" + hosts + "/" + o.Database + "/" + o.Collection
}

// OpenAddress opens the store that an address stands for, given what follows mongodb://. It is a bodystore.Opener.
func OpenAddress(_ context.Context, _, rest string) (bodystore.Driver, error) {
	o, err := ParseAddress(rest)
	if err != nil {
		return nil, err
	}
	return Open(o)
}

// ParseAddress reads [USER:PASSWORD@]HOST[;HOST…][/REPLICASET][/DATABASE[/COLLECTION]], as MailerQ has it: commas do as
// well between hosts, and a replica set is named before a database and a collection. The parameters readAttempts and
// maxQuerySize are MailerQ's. The second says how many mails one query may ask for; no query here asks for more than
// one, so it does nothing, as package config warns. All others are the driver's. Errors show no password.
func ParseAddress(rest string) (o Options, err error) {
	place, query, _ := rawurl.CutParams(rest)
	login := ""
	if at := strings.LastIndexByte(place, '@'); at >= 0 {
		login, place = place[:at+1], place[at+1:]
	}
	hosts, path, _ := strings.Cut(place, "/")
	if hosts = strings.ReplaceAll(hosts, ";", ","); strings.Trim(hosts, ",") == "" {
		return o, errors.New("expected mongodb://HOST/DATABASE/COLLECTION, got no host")
	}
	var replicas string
	switch parts := strings.Split(strings.Trim(path, "/"), "/"); len(parts) {
	case 1:
		o.Database = parts[0]
	case 2:
		o.Database, o.Collection = parts[0], parts[1]
	case 3:
		replicas, o.Database, o.Collection = parts[0], parts[1], parts[2]
	default:
		return o,
			errors.New("expected mongodb://HOST/DATABASE/COLLECTION or mongodb://HOSTS/REPLICASET/DATABASE/COLLECTION, got more parts")
	}
	o = o.withDefaults()
	var params []string
	for item := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(item, "=")
		switch strings.ToLower(name) {
		case "":
		case "readattempts", "maxquerysize":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > 1000 {
				return o, fmt.Errorf("parameter %s=%q: expected a number from 1 to 1000", name, value)
			}
			if strings.EqualFold(name, "readAttempts") {
				o.Attempts = n
			}
		default:
			params = append(params, item)
		}
	}
	if replicas != "" {
		params = append(params, "replicaSet="+replicas)
	}
	o.URI = "mongodb://" + login + hosts + "/"
	if login != "" {
		o.URI += o.Database
	}
	if len(params) > 0 {
		o.URI += "?" + strings.Join(params, "&")
	}
	return o, nil
}

func (o Options) withDefaults() Options {
	if o.Database == "" {
		o.Database = "mailerq"
	}
	if o.Collection == "" {
		o.Collection = "mime"
	}
	return o
}
