package queuetest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

var bodies = []rule{
	{name: "mails of all sizes", run: allSizes,
		text: "a mail of any size, from one byte to beyond every buffer, comes back byte for byte"},
	{name: "mail of arbitrary bytes", run: arbitraryBytes,
		text: "a mail may hold any byte"},
	{name: "no mail", run: noMail,
		text: "a message without a mail stays one: Body is nil"},
	{name: "mail in a file", run: mailInFile,
		text: "a mail of 5 MB that lies in a file, which its publisher closes and removes after Publish, comes back"},
	{name: "mail behind an interface", run: opaqueMail,
		text: "any value with ReadAt and Size is a mail; it is read before Publish returns"},
	{name: "mail that cannot be read", run: unreadableMail,
		text: "Publish fails when a mail cannot be read: it never stores half of one and says that all is well"},
	{name: "shared mail", run: sharedMail,
		text: "items that share a Body each have it, for as long as one of them is there, whatever happens to the others"},
	{name: "different mails in one publish", run: differentMails,
		text: "items of one Publish that do not share a Body each have their own, even of equal length"},
	{name: "successor shares the mail", run: successorShares,
		text: "a successor with the Body of the delivered message keeps the mail when the message is settled"},
	{name: "mail is readable while out", run: readableWhileOut,
		text: "the mail of a delivery can be read, concurrently and in any order, until the delivery is settled"},
}

// noise returns n bytes that look like a mail and differ by seed.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	source := rand.New(rand.NewPCG(seed, 1))
	for i := range data {
		data[i] = byte('a' + source.IntN(26))
	}
	for i := 77; i+1 < n; i += 78 {
		data[i-1], data[i] = '\r', '\n'
	}
	return data
}

func allSizes(e *exam) {
	var list []*queue.Message
	want := make(map[string][]byte)
	for i, size := range []int{1, 2, 100, 511, 512, 513, 4095, 4096, 4097, 65535, 65536, 65537, 262144, 1<<20 + 1} {
		m := mail(fmt.Sprint("size-", size), "a@example.com")
		want[m.ID] = noise(uint64(i), size)
		m.Body = queue.Bytes(want[m.ID])
		list = append(list, m)
	}
	e.publish("outbox", list...)
	for _, d := range e.consume("outbox", 0).take(len(list)) {
		require.True(e, bytes.Equal(want[d.Message.ID], e.content(d.Message.Body)), "%s came back changed", d.Message.ID)
	}
}

func arbitraryBytes(e *exam) {
	data := make([]byte, 0, 1024)
	for i := range 256 {
		if i != '\r' && i != '\n' {
			data = append(data, byte(i), byte(255-i)|0x80)
		}
	}
	data = append(data, "\r\n.\r\n"...)
	m := mail("bytes", "a@example.com")
	m.Body = queue.Bytes(data)
	e.publish("outbox", m)
	require.Equal(e, data, e.content(e.consume("outbox", 0).next().Message.Body))
}

func noMail(e *exam) {
	m := mail("m", "a@example.com")
	m.Body, m.Key = nil, "in/the/store"
	e.publish("outbox", m)
	e.same(m, e.consume("outbox", 0).next().Message)
}

// fileBody is a mail that lies in a file.
type fileBody struct {
	file *os.File
	size int64
}

func (f *fileBody) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }
func (f *fileBody) Size() int64                             { return f.size }
func (f *fileBody) File() *os.File                          { return f.file }

func (e *exam) file(data []byte) *fileBody {
	f, err := os.Create(filepath.Join(e.TempDir(), "mail"))
	require.NoError(e, err)
	_, err = f.Write(data)
	require.NoError(e, err)
	return &fileBody{f, int64(len(data))}
}

func mailInFile(e *exam) {
	data := noise(1, 5<<20)
	f := e.file(data)
	list := mails("m", 2)
	list[0].Body, list[1].Body = f, f
	e.publish("outbox", list...)
	require.NoError(e, f.file.Close())
	require.NoError(e, os.Remove(f.file.Name()))
	r := e.consume("outbox", 0)
	out := r.take(2)
	e.settle(out[0])
	require.True(e, bytes.Equal(data, e.content(out[1].Message.Body)), "the mail came back changed")
	e.release(out[1])
	d := r.next()
	require.True(e, bytes.Equal(data, e.content(d.Message.Body)), "the mail came back changed after Release")
	e.settle(d, queue.Item{Queue: "results", Message: d.Message})
	d = e.consume("results", 0).next()
	require.True(e, bytes.Equal(data, e.content(d.Message.Body)), "the mail came back changed after Settle")
	e.settle(d)
}

// opaque hides everything but the interface.
type opaque struct {
	io.ReaderAt
	size   int64
	closed bool
}

func (o *opaque) Size() int64 { return o.size }
func (o *opaque) ReadAt(p []byte, off int64) (int, error) {
	if o.closed {
		return 0, os.ErrClosed
	}
	return o.ReaderAt.ReadAt(p, off)
}

func opaqueMail(e *exam) {
	for i, size := range []int{10, 700_000} {
		m := mail(fmt.Sprint("opaque-", i), "a@example.com")
		data := noise(9, size)
		body := &opaque{ReaderAt: bytes.NewReader(data), size: int64(size)}
		m.Body = body
		e.publish(m.ID, m)
		body.closed = true
		require.True(e, bytes.Equal(data, e.content(e.consume(m.ID, 0).next().Message.Body)), "the mail came back changed")
	}
}

func unreadableMail(e *exam) {
	m := mail("m", "a@example.com")
	m.Body = brokenBody{}
	require.Error(e, e.q.Publish(e.ctx(), queue.Item{Queue: "outbox", Message: m}),
		"Publish of a mail that cannot be read")
	m.Body = &opaque{ReaderAt: bytes.NewReader([]byte("short")), size: 1000}
	require.Error(e, e.q.Publish(e.ctx(), queue.Item{Queue: "outbox", Message: m}),
		"Publish of a mail that is shorter than its Size")
	e.publish("outbox", mail("good", "a@example.com"))
	require.Equal(e, "good", e.consume("outbox", 0).next().Message.ID)
}

func sharedMail(e *exam) {
	data := noise(3, 20_000)
	list := mails("m", 20)
	for _, m := range list {
		m.Body = queue.Bytes(data)
	}
	e.publish("outbox", list...)
	e.publish("other", list[0])
	r := e.consume("outbox", 0)
	for i, d := range r.take(20) {
		require.True(e, bytes.Equal(data, e.content(d.Message.Body)), "mail %d came back changed", i)
		e.settle(d)
	}
	require.True(e, bytes.Equal(data, e.content(e.consume("other", 0).next().Message.Body)),
		"the mail in the other queue came back changed")
}

func differentMails(e *exam) {
	var shared []queue.Body
	for i := range 3 {
		shared = append(shared, queue.Bytes(noise(uint64(i), 5000)))
	}
	list := mails("m", 7)
	for i, which := range []int{0, 0, 1, 1, 0, 2, 1} {
		list[i].Body = shared[which]
	}
	e.publish("outbox", list...)
	for _, d := range e.consume("outbox", 0).take(7) {
		e.same(list[indexOf(list, d.Message.ID)], d.Message)
		e.settle(d)
	}
}

func successorShares(e *exam) {
	m := mail("m", "a@example.com")
	data := noise(4, 300_000)
	m.Body = queue.Bytes(data)
	e.publish("q0", m)
	for i := range 5 {
		d := e.consume(fmt.Sprint("q", i), 0).next()
		require.True(e, bytes.Equal(data, e.content(d.Message.Body)), "the mail came back changed after %d hops", i)
		e.settle(d, queue.Item{Queue: fmt.Sprint("q", i+1), Message: d.Message},
			queue.Item{Queue: "copies", Message: d.Message})
	}
	for _, d := range e.consume("copies", 0).take(5) {
		require.True(e, bytes.Equal(data, e.content(d.Message.Body)), "a copy came back changed")
		e.settle(d)
	}
}

func readableWhileOut(e *exam) {
	data := noise(5, 300_000)
	m := mail("m", "a@example.com")
	m.Body = queue.Bytes(data)
	e.publish("outbox", m, mail("another", "a@example.com"))
	r := e.consume("outbox", 0)
	out := r.take(2)
	body := out[0].Message.Body
	if out[0].Message.ID != "m" {
		body, out[1] = out[1].Message.Body, out[0]
	}
	e.settle(out[1])
	r.stop()
	n, err := body.ReadAt(make([]byte, 10), body.Size())
	require.Zero(e, n, "bytes beyond the end")
	require.ErrorIs(e, err, io.EOF, "reading beyond the end")
	n, err = body.ReadAt(make([]byte, 10), body.Size()-4)
	require.Equal(e, 4, n, "bytes at the end")
	require.ErrorIs(e, err, io.EOF, "reading over the end")
	var all sync.WaitGroup
	bad := make(chan int64, 8)
	for i := range 8 {
		all.Go(func() {
			for off := int64(i) * 1000; off < body.Size()-5000; off += 20_000 {
				piece := make([]byte, 5000)
				if n, err := body.ReadAt(piece, off); n != 5000 || err != nil || !bytes.Equal(piece, data[off:off+5000]) {
					bad <- off
					return
				}
			}
		})
	}
	all.Wait()
	require.Empty(e, bad, "reads that gave something else")
}
