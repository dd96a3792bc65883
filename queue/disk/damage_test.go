package disk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// clone copies a file system that is at rest.
func (s *simFS) clone() *simFS {
	next := newSimFS(s.rnd.Uint64())
	for name, d := range s.names {
		c := &simData{now: slices.Clone(d.now), disk: slices.Clone(d.now), dirty: map[int64]struct{}{}}
		next.names[name], next.kept[name] = c, c
	}
	return next
}

// drained is what comes out of a store.
type drained struct {
	sound, damaged, garbage []string
	damage                  Damage
}

func (d drained) total() int { return len(d.sound) + len(d.damaged) + len(d.garbage) }

// drain opens a store, hands everything out and verifies it.
func drain(t *testing.T, fs *simFS) (d drained) {
	q, err := Open("sim", simOptions(fs))
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Close()) }()
	stats, err := q.Queues(t.Context())
	require.NoError(t, err)
	left := 0
	for _, s := range stats {
		if s.Queue == "outbox" {
			left = s.Ready
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	lost := func() int { return q.Damage().Messages }
	before := lost()
	for d.total()+lost()-before < left {
		one, stop := context.WithTimeout(ctx, 50*time.Millisecond)
		_ = q.Consume(one, "outbox", queue.ConsumeOptions{}, func(dl *queue.Delivery) {
			var damage *queue.DamageError
			switch {
			case errors.As(dl.Err, &damage):
				require.NotNil(t, dl.Message, "a damaged mail leaves its message")
				require.Nil(t, dl.Message.Body)
				d.damaged = append(d.damaged, dl.Message.ID)
			case dl.Err != nil:
				d.garbage = append(d.garbage, string(dl.Raw))
			default:
				require.NoError(t, intact(dl))
				d.sound = append(d.sound, dl.Message.ID)
			}
			if d.total()+lost()-before >= left {
				stop()
			}
		})
		stop()
		require.NoError(t, ctx.Err(), "of %d messages came %d", left, d.total())
	}
	d.damage = q.Damage()
	return d
}

const sampleSize = 66

// sampleStore holds sampleSize messages in "outbox", five of which share a mail, one with a mail in a file, and traces
// of others that were settled.
func sampleStore(t *testing.T) *simFS {
	fs := newSimFS(1)
	q, err := Open("sim", simOptions(fs))
	require.NoError(t, err)
	m := newModel()
	for i := range sampleSize - 6 {
		require.NoError(t, m.publish(q, fmt.Sprint("m", i), 1))
		require.NoError(t, q.Publish(t.Context(),
			queue.Item{Queue: "gone", Message: &queue.Message{ID: "x", Recipient: "x@example.net", Body: body("gone")}}))
	}
	require.NoError(t, m.publish(q, "shared", 5))
	large := ""
	for i := 0; large == ""; i++ {
		if name := fmt.Sprint("large", i); len(body(name)) > 8<<10 {
			large = name
		}
	}
	require.NoError(t, m.publish(q, large, 1))
	n, err := q.Purge(t.Context(), queue.Filter{Queue: "gone"})
	require.NoError(t, err)
	require.Equal(t, sampleSize-6, n)
	require.NoError(t, q.Publish(t.Context(),
		queue.Item{Queue: "aside", Message: &queue.Message{Recipient: "last@example.org"}}))
	require.NoError(t, q.Close())
	_, err = fs.Open(checkpointName)
	require.NoError(t, err)
	return fs
}

// recorded lists the records of the log.
type recorded struct {
	name string
	h    header
}

func records(t *testing.T, fs *simFS) (list []recorded) {
	names, _ := fs.List(segmentDir)
	slices.Sort(names)
	for _, name := range names {
		f, err := fs.Open(segmentDir + "/" + name)
		require.NoError(t, err)
		s := &segment{file: f}
		s.size, _ = f.Size()
		page := make([]byte, segmentPage)
		_, _ = f.ReadAt(page, 0)
		if !s.parsePage(page) || s.state != stateUsed {
			continue
		}
		v := &recorder{}
		_, err = new(scanner).scan(s, 0, false, v)
		require.NoError(t, err)
		for _, h := range v.headers {
			list = append(list, recorded{segmentDir + "/" + name, h})
		}
	}
	return list
}

type recorder struct {
	headers []header
	gaps    int
}

func (r *recorder) record(_ *segment, h header, _ []byte, _ bool) { r.headers = append(r.headers, h) }
func (r *recorder) gap(*segment, int64, int64)                    { r.gaps++ }

func TestFlippedBits(t *testing.T) {
	fs := sampleStore(t)
	list := records(t, fs)
	require.Greater(t, len(list), 100)
	last := list[len(list)-1].h.batch
	for i, r := range list {
		for where, at := range map[string]int64{"header": 17, "payload": headerSize + int64(r.h.length)/2} {
			for _, keep := range []bool{false, true} {
				if r.h.batch == last || r.h.length == 0 && where == "payload" ||
					keep && where == "header" && r.h.kind == bodyRecord {
					continue
				}
				t.Run(fmt.Sprintf("%d kind %d %s checkpoint %v", i, r.h.kind, where, keep), func(t *testing.T) {
					c := fs.clone()
					c.names[r.name].now[int64(r.h.offset)+at] ^= 0x10
					if !keep {
						require.NoError(t, c.Remove(checkpointName))
					}
					checkFlip(t, c, r.h, keep)
				})
			}
		}
	}
}

func checkFlip(t *testing.T, fs *simFS, h header, checkpoint bool) {
	d := drain(t, fs)
	require.Empty(t, d.garbage)
	lostMails, lostMessages := sampleSize-len(d.sound)-d.damage.Messages, d.damage.Messages
	switch h.kind {
	case bodyRecord:
		require.LessOrEqual(t, len(d.damaged), 5, "only those that share the mail")
		require.Equal(t, sampleSize, len(d.sound)+len(d.damaged))
		require.Equal(t, lostMails, len(d.damaged))
	case messageRecord:
		require.Empty(t, d.damaged)
		require.GreaterOrEqual(t, len(d.sound), sampleSize-1)
		require.LessOrEqual(t, lostMessages, 1)
		require.True(t, len(d.sound) == sampleSize || d.damage.Messages+int(d.damage.Bytes) > 0, "a loss is reported")
	default:
		require.Len(t, d.sound, sampleSize)
	}
	if len(d.sound) < sampleSize {
		require.NotEmpty(t, append(d.damage.Notes, d.damaged...))
	}
	if !checkpoint {
		again := drain(t, fs)
		require.Empty(t, again.damage.Notes, "damage is reported once")
		require.Len(t, again.sound, len(d.sound))
	}
}

func TestBadCheckpoint(t *testing.T) {
	fs := sampleStore(t)
	size := len(fs.names[checkpointName].now)
	for at := 0; at < size; at += 97 {
		c := fs.clone()
		c.names[checkpointName].now[at] ^= 0x01
		require.Len(t, drain(t, c).sound, sampleSize, "byte %d", at)
	}
	for _, n := range []int{0, 1, 7, 8, 100, size - 1} {
		c := fs.clone()
		c.names[checkpointName].now = c.names[checkpointName].now[:n]
		require.Len(t, drain(t, c).sound, sampleSize, "length %d", n)
	}
}

func TestMissingParts(t *testing.T) {
	fs := sampleStore(t)
	for name := range fs.names {
		for _, what := range []string{"missing", "empty", "halved", "zeroed", "noise"} {
			for _, keep := range []bool{true, false} {
				t.Run(fmt.Sprint(name, " ", what, " ", keep), func(t *testing.T) {
					c := fs.clone()
					if !keep {
						delete(c.names, checkpointName)
					}
					spoil(c, name, what)
					d := drain(t, c)
					require.Empty(t, d.garbage)
					if !strings.HasPrefix(name, segmentDir) && len(d.sound) < sampleSize {
						require.Len(t, d.damaged, 1)
						require.Len(t, d.sound, sampleSize-1)
					}
					again := drain(t, c)
					require.Len(t, again.sound, len(d.sound), "what was found once is found again")
				})
			}
		}
	}
}

func spoil(fs *simFS, name, what string) {
	d := fs.names[name]
	if d == nil {
		return
	}
	switch what {
	case "missing":
		delete(fs.names, name)
	case "empty":
		d.now = nil
	case "halved":
		d.now = d.now[:len(d.now)/2]
	case "zeroed":
		clear(d.now)
	case "noise":
		for i := range d.now {
			d.now[i] = byte(fs.rnd.Uint32())
		}
	}
}

func TestMissingSegmentIsReported(t *testing.T) {
	fs := sampleStore(t)
	list := records(t, fs)
	first := list[0].name
	require.NotEqual(t, first, list[len(list)-1].name)
	delete(fs.names, first)
	d := drain(t, fs)
	require.Positive(t, d.damage.Messages)
	require.Contains(t, d.damage.Notes[0], "is missing")
	require.Equal(t, sampleSize, len(d.sound)+len(d.damaged)+d.damage.Messages,
		"each message is sound, damaged or reported")
}

func TestStrangeFiles(t *testing.T) {
	fs := sampleStore(t)
	for _, name := range []string{segmentDir + "/000099", segmentDir + "/core", segmentDir + "/7", bodyDir + "/readme",
		bodyDir + "/00000000000000ff", "notes"} {
		f, err := fs.Create(name, 100)
		require.NoError(t, err)
		require.NoError(t, f.WriteVec([][]byte{[]byte("hello")}, 0))
	}
	require.Len(t, drain(t, fs).sound, sampleSize)
	aside, err := fs.List(damagedDir)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(aside), 4, "what makes no sense is moved aside")
	require.Len(t, drain(t, fs).sound, sampleSize)
}

func TestDamageWhileOpen(t *testing.T) {
	fs := newSimFS(1)
	opts := simOptions(fs)
	opts.CacheBytes = -1
	q, err := Open("sim", opts)
	require.NoError(t, err)
	defer q.Close()
	require.NoError(t, newModel().publish(q, "s", 2))
	for _, r := range records(t, fs) {
		if r.h.kind == bodyRecord {
			fs.names[r.name].now[int64(r.h.offset)+headerSize+10]++
		}
	}
	var damage *queue.DamageError
	var seen []error
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.NoError(t, q.Consume(ctx, "outbox", queue.ConsumeOptions{Prefetch: 1}, func(d *queue.Delivery) {
		seen = append(seen, d.Err)
		switch len(seen) {
		case 1:
			_, err := d.Message.Body.ReadAt(make([]byte, 1), 0)
			require.ErrorAs(t, err, &damage)
			require.NoError(t, d.Release(ctx))
		case 2:
			require.ErrorAs(t, d.Err, &damage, "found when it was read, told when it comes again")
			require.NoError(t, d.Settle(ctx))
		default:
			require.ErrorAs(t, d.Err, &damage, "whoever shares the mail is told")
			cancel()
		}
	}))
	require.Len(t, seen, 3)
	require.Equal(t, 1, q.Damage().Mails)
}

// FuzzScan feeds segments of any content to recovery: it must neither panic nor hang, and find again what is sound.
func FuzzScan(f *testing.F) {
	fs := newSimFS(1)
	q, err := Open("sim", simOptions(fs))
	require.NoError(f, err)
	require.NoError(f, q.Publish(context.Background(),
		queue.Item{Queue: "outbox", Message: &queue.Message{ID: "a", Recipient: "a@example.com",
			Body: queue.Bytes("hello")}}))
	require.NoError(f, q.Close())
	name := records2(fs)
	image := fs.names[name].now
	f.Add(uint32(4096), []byte{1, 2, 3})
	f.Add(uint32(0), image[:64])
	f.Add(uint32(4200), image[4096:4300])
	f.Fuzz(func(t *testing.T, off uint32, data []byte) {
		c := fs.clone()
		delete(c.names, checkpointName)
		at := int(off) % len(image)
		copy(c.names[name].now[at:], data)
		q, err := Open("sim", simOptions(c))
		require.NoError(t, err)
		require.NoError(t, q.Publish(context.Background(),
			queue.Item{Queue: "outbox", Message: &queue.Message{ID: "b", Recipient: "a@example.com"}}))
		_, err = q.Peek(context.Background(), "b")
		require.NoError(t, err)
		require.NoError(t, q.Close())
	})
}

func records2(fs *simFS) string {
	for name := range fs.names {
		if strings.HasPrefix(name, segmentDir) && fs.names[name].now[0] != 0 {
			return name
		}
	}
	return ""
}
