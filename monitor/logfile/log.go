package logfile

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/sluicemail/sluice/monitor"
)

// Options say what is logged where. The zero Options log nothing.
type Options struct {
	Send     Target // attempts: delivered, to be retried, failed, finished without an attempt
	Received Target // mail that came in, a line for each recipient
	Download Target // see Log.Download
	WWW      Target // see Log.Access

	// Buffer is how many bytes of lines may wait for each file; zero means 16 MiB. Half of it is for what a write under
	// way has taken.
	Buffer int
	// Logger is told when a file cannot be written, and when it can again. Nil: slog.Default.
	Logger *slog.Logger
}

// Target says where the lines of one log go.
type Target struct {
	File    string // of text lines; "": none
	Format  string // template of the text lines; "": the default below
	BinFile string // of JSON objects, one a line; "": none
}

// The default templates.
const (
	DefaultSend = "[{$date}] {$result.state}:{$result.result} {$attempt} <{if $email.envelope}{$email.envelope}{/if}> <{$email.recipient}> " +
		"[{$result.from}] [{$result.to}] {$email.tags} {$result.code} {$result.status} {$result.description}"
	DefaultReceived = "[{$date}]{if $json.message_id} {$json.message_id} {/if}<{$json.envelope}> <{$json.recipient}> " +
		"[{$json.connection.remote_ip}] [{$json.connection.local_ip}]"
	DefaultDownload = "[{$date}] {$url} {$time}"
	DefaultWWW      = "[{$date}] [{$ip}] {$request}"
)

// Log is a monitor.Monitor that writes log files. Its methods are safe for concurrent use. It takes no interest in the
// transcripts of sessions.
type Log struct {
	send, received, download, www target
	files                         []*file
}

// target is a Target, opened. A nil file is not written.
type target struct {
	text   *file
	format template
	bin    *file
}

// Check reports whether the templates can be understood, as a *TemplateError wrapped with the name of the log.
func (o *Options) Check() error {
	_, err := compile(o)
	return err
}

// NeedsExtracted reports whether the lines of attempts tell of the property extracted: JSON objects do, text lines when
// their template names it. Making that property costs a look at the header of every mail.
func (o *Options) NeedsExtracted() bool {
	formats, err := compile(o)
	return err == nil && (o.Send.BinFile != "" || o.Send.File != "" && formats[0].names("extracted"))
}

// kinds lists the logs in the order of Options.
func (o *Options) kinds() [4]kind {
	return [4]kind{
		{"send", &o.Send, DefaultSend, names{"email": messageValue, "result": resultValue, "attempt": attemptValue,
			"date": dateValue}},
		{"received", &o.Received, DefaultReceived,
			names{"json": messageValue, "report": messageValue, "date": dateValue, "time": timeValue}},
		{"download", &o.Download, DefaultDownload, names{"url": urlValue, "time": timeValue, "date": dateValue}},
		{"www", &o.WWW, DefaultWWW, names{"date": dateValue, "ip": ipValue, "request": requestValue}},
	}
}

type kind struct {
	name      string
	target    *Target
	otherwise string
	known     names
}

func compile(o *Options) (formats [4]template, err error) {
	for i, k := range o.kinds() {
		text := k.target.Format
		if text == "" {
			text = k.otherwise
		}
		if formats[i], err = parse(text, k.known); err != nil {
			return formats, fmt.Errorf("%s-log-format: %w", k.name, err)
		}
	}
	return formats, nil
}

// Open opens the files and starts writing. It fails when a template makes no sense, or a file can never be written,
// such as one in a directory that does not exist; a file that cannot be written just now is tried again later.
func Open(o Options) (*Log, error) {
	formats, err := compile(&o)
	if err != nil {
		return nil, err
	}
	l := new(Log)
	targets := [4]*target{&l.send, &l.received, &l.download, &l.www}
	for i, k := range o.kinds() {
		t := targets[i]
		t.format = formats[i]
		if t.text, err = l.open(k.target.File, &o); err == nil {
			t.bin, err = l.open(k.target.BinFile, &o)
		}
		if err != nil {
			_ = l.Close()
			return nil, fmt.Errorf("%s log: %w", k.name, err)
		}
	}
	return l, nil
}

// open returns the file of that name, the same one for the same path, or nil for no name.
func (l *Log) open(name string, o *Options) (*file, error) {
	if name == "" {
		return nil, nil
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	for _, f := range l.files {
		if f.path == path {
			return f, nil
		}
	}
	f, err := openFile(path, o.Buffer, o.Logger)
	if err != nil {
		return nil, err
	}
	l.files = append(l.files, f)
	return f, nil
}

// Tap implements monitor.Monitor.
func (l *Log) Tap(monitor.Session) monitor.Transcript { return monitor.NoTranscript() }

// Observe implements monitor.Monitor. An event without a monitor.Record as its Message is not logged.
func (l *Log) Observe(e *monitor.Event) {
	var t *target
	switch e.Kind {
	case monitor.Delivered, monitor.Retried, monitor.Failed, monitor.NotTried:
		t = &l.send
	case monitor.MessageReceived:
		t = &l.received
	default:
		return
	}
	message, ok := e.Message.(monitor.Record)
	if !ok || t.text == nil && t.bin == nil {
		return
	}
	v := values{at: e.Time, message: message}
	v.result, _ = e.Result.(monitor.Record)
	t.write(&v, func(dst []byte) []byte {
		dst = appendRecord(dst, message)
		if t == &l.send {
			dst = appendFinal(dst, e.Kind != monitor.Retried)
		}
		return dst
	})
}

// appendFinal adds to an object whether the outcome is the last one of its message.
func appendFinal(object []byte, final bool) []byte {
	if n := len(object) - 1; n > 0 && object[n] == '}' {
		if object = object[:n]; object[n-1] != '{' {
			object = append(object, ',')
		}
		object = strconv.AppendBool(append(object, `"final":`...), final)
		object = append(object, '}')
	}
	return object
}

// Download logs that something was fetched over the network.
func (l *Log) Download(url string, at time.Time, took time.Duration) {
	l.download.write(&values{at: at, url: url, took: took, isTook: true}, func(dst []byte) []byte {
		dst = appendJSON(append(dst, `{"url":`...), url)
		dst = strconv.AppendFloat(append(dst, `,"time":`...), took.Seconds(), 'f', 3, 64)
		return appendDate(dst, at)
	})
}

// Access logs a request to the console.
func (l *Log) Access(at time.Time, ip netip.Addr, request string) {
	l.www.write(&values{at: at, ip: ip, request: request}, func(dst []byte) []byte {
		dst = append(dst, `{"ip":"`...)
		if ip.IsValid() {
			dst = ip.AppendTo(dst)
		}
		dst = appendJSON(append(dst, `","request":`...), request)
		return appendDate(dst, at)
	})
}

func appendDate(dst []byte, at time.Time) []byte {
	dst = append(dst, `,"date":"`...)
	dst = at.UTC().AppendFormat(dst, dateFormat)
	return append(dst, `"}`...)
}

// scratch is where a line is made before it goes into the buffer of its file.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

const maxScratch = 64 << 10 // kept for the next line

// write makes the lines for v, the JSON one by bin, and hands them to the files.
func (t *target) write(v *values, bin func([]byte) []byte) {
	if t.text == nil && t.bin == nil {
		return
	}
	space := scratch.Get().(*[]byte)
	line := (*space)[:0]
	if t.text != nil {
		line = append(t.format.append(line, v), '\n')
		t.text.put(line)
	}
	if t.bin != nil {
		line = append(bin(line[:0]), '\n')
		t.bin.put(line)
	}
	if cap(line) <= maxScratch {
		*space = line
		scratch.Put(space)
	}
}

// Dropped returns how many lines were lost, of all files, because their buffer was full or could not be written in the
// end.
func (l *Log) Dropped() int64 {
	var n int64
	for _, f := range l.files {
		n += f.dropped.Load()
	}
	return n
}

// FileStats tells how a file fares.
type FileStats struct {
	Path    string
	Lines   int64 // written
	Dropped int64 // lost
	Err     error // why it cannot be written now; nil when it can
}

// Stats returns the state of every file.
func (l *Log) Stats() []FileStats {
	stats := make([]FileStats, len(l.files))
	for i, f := range l.files {
		stats[i] = f.stats()
	}
	return stats
}

// Reopen opens all files anew, before the next line is written. Call it on SIGHUP.
func (l *Log) Reopen() {
	for _, f := range l.files {
		f.reopen.Store(true)
		f.hurry()
	}
}

// Flush waits until all lines that were logged before are written, or given up, for as long as d.
func (l *Log) Flush(d time.Duration) error {
	deadline := time.Now().Add(d)
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.flush(time.Until(deadline)))
	}
	return errors.Join(errs...)
}

// Close writes what is left, for up to five seconds, and closes the files. Lines that come later are dropped.
func (l *Log) Close() error {
	for _, f := range l.files {
		f.finish()
	}
	deadline := time.Now().Add(closeTime)
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.wait(time.Until(deadline)))
	}
	return errors.Join(errs...)
}
