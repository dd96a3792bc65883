package delivery

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sluicemail/sluice/queue"
)

// TestReadyListIsByPriority compares the list with a slice, whatever is done to both.
func TestReadyListIsByPriority(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var waiting atomic.Int64
		var l readyList
		l.init(&waiting)
		var want []*job
		insert := func(j *job, first bool) {
			at := slices.IndexFunc(want, func(o *job) bool { return o.rank < j.m.Priority || first && o.rank == j.m.Priority })
			if at < 0 {
				at = len(want)
			}
			want = slices.Insert(want, at, j)
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			j := &job{letter: letter{m: &queue.Message{Priority: rapid.IntRange(-1, 2).Draw(t, "priority")}}}
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0, 1:
				insert(j, false)
				l.put(j)
			case 2:
				insert(j, true)
				l.putFirst(j)
			case 3:
				if n := len(want); n > 0 {
					at := rapid.IntRange(0, n-1).Draw(t, "which")
					l.drop(want[at])
					want = slices.Delete(want, at, at+1)
				}
			case 4:
				if out := l.yields(j); out != nil {
					require.Less(t, out.m.Priority, j.m.Priority)
					require.Equal(t, want[len(want)-1], out)
					want = want[:len(want)-1]
				}
			case 5:
				if out := l.takeFirst(); out != nil {
					require.Equal(t, want[0], out)
					want = want[1:]
				}
			case 6:
				if len(want) > 20 {
					require.True(t, slices.Equal(want, l.takeAll()))
					want = nil
				}
			}
			require.Equal(t, len(want), l.len())
			require.True(t, slices.Equal(want, slices.AppendSeq([]*job(nil), l.all())))
			require.Equal(t, len(want) > 0, waiting.Load() == 1)
		}
	})
}
