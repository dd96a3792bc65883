package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// older gives the older names of log keys their meaning: each becomes a path where its modern key was not given, and a
// line that says so.
func (l *loader) older() {
	l.errorLog()
	l.oldLog("send", &l.cfg.SendLogFile)
	l.oldLog("received", &l.cfg.ReceivedLogFile)
	l.oldLog("download", &l.cfg.DownloadLogFile)
	l.oldLog("www", &l.cfg.WWWLogFile)
}

func (l *loader) errorLog() {
	value := l.values["error-log"]
	switch {
	case !l.given("error-log"):
	case value == "" || l.given("application-log"):
		l.note(l.origins["error-log"], "error-log is ignored: application-log is what counts")
	default:
		l.note(l.origins["error-log"], "error-log is an older name: understood as application-log: %s", cut(value))
		l.cfg.ApplicationLog = []string{value}
		l.origins["application-log"] = Origin{Kind: Derived, Name: "error-log"}
	}
}

// systemLogs is where MailerQ writes logs that have no directory of their own.
const systemLogs = "/var/log/mailerq"

// oldLog joins directory and prefix of one log: a prefix is the name of the current file, older files had a date behind
// it. One that is a path stands for itself.
func (l *loader) oldLog(kind string, file *string) {
	directory, prefix, modern := kind+"-log-directory", kind+"-log-prefix", kind+"-log-file"
	name, where, by := l.values[prefix], l.values[directory], directory
	if where == "" {
		by = prefix
	}
	switch {
	case filepath.IsAbs(name):
		where, by = "", prefix
	case where == "" && name != "" && isDirectory(systemLogs):
		where = systemLogs
	}
	taken := !l.given(modern) && (where != "" || filepath.IsAbs(name))
	if taken {
		if name == "" {
			name = kind
		}
		if filepath.Ext(name) == "" {
			name += ".log"
		}
		*file = filepath.Join(where, name)
		l.origins[modern] = Origin{Kind: Derived, Name: by}
		l.note(l.origins[by], "%s is an older name: understood as %s: %s", by, modern, cut(*file))
	}
	for _, name := range []string{directory, prefix} {
		switch {
		case !l.given(name) || taken:
		case l.given(modern):
			l.note(l.origins[name], "%s is ignored: %s is what counts", name, modern)
		default:
			l.warn(l.origins[name], "%s does nothing without %s: nothing is logged there; name the file with %s", name,
				directory, modern)
		}
	}
	for _, name := range []string{kind + "-log-maxsize", kind + "-log-history"} {
		if l.given(name) {
			l.note(l.origins[name], "%s is ignored: let logrotate move the log, it is opened anew at once", name)
		}
	}
}

func isDirectory(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// retirement is what became of keys of older versions of MailerQ that are not among the keys any more.
type retirement struct {
	names  string // several with blanks between
	advice string // what to do instead, or why nothing is to be done
	// instead is the key without which these are an error: to go on as if nothing had been said would do harm.
	instead string
	// nothing says that there is nothing to be done.
	nothing bool
}

const (
	brokerAdvice  = "rabbitmq-address instead: one amqp://user:password@host/vhost for rabbitmq-host, -user, -password and -vhost"
	clusterAdvice = "cluster-address instead: one amqp://user:password@host/vhost for cluster-host, -user, -password and -vhost"
	rotateAdvice  = "let logrotate move and compress the log, it is opened anew at once"
	binaryAdvice  = "send-bin-log-file instead: the path of the file"
	checkAdvice   = "smtp-check instead: any of spf,dkim,dmarc"
	bounceAdvice  = "bounce-from and bounce-host instead"
)

// retired are the keys of MailerQ 3 to 5.8 that neither MailerQ 5.13 nor this program has, and that are no other names
// of one.
func retired() []retirement {
	return []retirement{
		{names: "rabbitmq-host rabbitmq-user rabbitmq-password rabbitmq-vhost", advice: brokerAdvice,
			instead: "rabbitmq-address"},
		{names: "cluster-host cluster-user cluster-password cluster-vhost", advice: clusterAdvice,
			instead: "cluster-address"},
		{names: "rabbitmq-mirror rabbitmq-mirror-expire", advice: "rabbitmq-queue-type: quorum instead"},
		{names: "rabbitmq-queues", advice: "rabbitmq-outbox, rabbitmq-inbox and the other names of queues instead"},
		{names: "send-log-maxage send-log-compression received-log-maxage received-log-compression download-log-maxage download-log-compression " +
			"www-log-maxage www-log-compression send-bin-log-maxsize send-bin-log-maxage send-bin-log-history",
			advice: rotateAdvice, nothing: true},
		{names: "send-bin-log-directory send-bin-log-prefix", advice: binaryAdvice},
		{names: "error-log-directory error-log-prefix", advice: "application-log instead: the path of the file"},
		{names: "smtp-check-spf smtp-check-dkim smtp-check-dmarc", advice: checkAdvice},
		{names: "smtp-authentication-results", advice: "smtp-auth-results instead: local, nonlocal, or both"},
		{names: "dsn-envelope dsn-mta", advice: bounceAdvice},
		{names: "dns-threads database-threads", advice: "look-ups need no threads", nothing: true},
		{names: "dns-getaddrinfo dns-helofile",
			advice: "dns-servers names resolvers, and the settings table dns overrides answers"},
		{names: "dns-force", advice: "UDP is asked first, and TCP where an answer does not fit", nothing: true},
		{names: "heartbeat-ip heartbeat-port heartbeat-period", advice: "nothing is reported to anybody", nothing: true},
		{names: "cache-size cache-dimensions", advice: "download-cache and download-ttl instead"},
	}
}

// retiredKey returns what became of a key; nil: nobody knows it.
func retiredKey(name string) *retirement {
	for _, r := range retired() {
		if slices.Contains(strings.Fields(r.names), name) {
			return &r
		}
	}
	return nil
}

// refusal is a retired key that somebody gave, and that may be an error.
type refusal struct {
	*retirement
	name string
	at   Origin
}

// retire tells what became of a key.
func (l *loader) retire(at Origin, r *retirement, name string) {
	switch {
	case r.instead != "":
		l.refused = append(l.refused, refusal{r, name, at})
	case r.nothing:
		l.note(at, "%s is a key of an older MailerQ and ignored: %s", name, r.advice)
	default:
		l.warn(at, "%s is a key of an older MailerQ and does nothing: %s", name, r.advice)
	}
}

// refuse is for retired keys once it is known what else was given.
func (l *loader) refuse() {
	for _, r := range l.refused {
		if l.given(r.instead) {
			l.note(r.at, "%s is a key of an older MailerQ and ignored: %s is what counts", r.name, r.instead)
			continue
		}
		l.fail(&Error{Origin: r.at, Key: r.name, Want: r.advice})
	}
}
