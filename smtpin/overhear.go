package smtpin

import (
	"io"

	"github.com/sluicemail/sluice/monitor"
)

// overheard is a mail of which the begin is kept while it passes, for watchers.
type overheard struct {
	mailReader
	begin []byte
	most  int
}

// overhear keeps the begin of a mail when somebody wants to see it.
func (c *session) overhear(r mailReader) mailReader {
	watcher, ok := c.tap.(monitor.MailTranscript)
	if !ok {
		return r
	}
	most := watcher.MailWanted()
	if most == 0 {
		return r
	}
	c.heard = &overheard{mailReader: r, most: most}
	return c.heard
}

func (o *overheard) keep(p []byte) {
	o.begin = append(o.begin, p[:min(len(p), o.most-len(o.begin))]...)
}

// Read implements io.Reader.
func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.mailReader.Read(p)
	o.keep(p[:n])
	return n, err
}

// WriteTo implements io.WriterTo.
func (o *overheard) WriteTo(w io.Writer) (int64, error) {
	return o.mailReader.WriteTo(&keeper{o, w})
}

// keeper writes what it keeps.
type keeper struct {
	o *overheard
	w io.Writer
}

// Write implements io.Writer.
func (k *keeper) Write(p []byte) (int, error) {
	n, err := k.w.Write(p)
	k.o.keep(p[:n])
	return n, err
}
