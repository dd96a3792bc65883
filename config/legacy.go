package config

import (
	"path/filepath"
)

// older gives the older names of log keys their meaning: each becomes a path where its modern key was not given, and a line
// that says so.
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

// oldLog joins directory and prefix of one log: a prefix is the name of the current file, older files had a date behind it.
func (l *loader) oldLog(kind string, file *string) {
	directory, prefix, modern := kind+"-log-directory", kind+"-log-prefix", kind+"-log-file"
	taken := l.values[directory] != "" && !l.given(modern)
	if taken {
		name := l.values[prefix]
		if name == "" {
			name = kind
		}
		if filepath.Ext(name) == "" {
			name += ".log"
		}
		*file = filepath.Join(l.values[directory], name)
		l.origins[modern] = Origin{Kind: Derived, Name: directory}
		l.note(l.origins[directory], "%s is an older name: understood as %s: %s", directory, modern, cut(*file))
	}
	for _, name := range []string{directory, prefix} {
		if l.given(name) && !taken {
			l.note(l.origins[name], "%s is ignored: %s is what counts", name, modern)
		}
	}
	for _, name := range []string{kind + "-log-maxsize", kind + "-log-history"} {
		if l.given(name) {
			l.note(l.origins[name], "%s is ignored: let logrotate move the log, it is opened anew at once", name)
		}
	}
}
