//go:build lockorder

package locks

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// reader locks for reading.
type reader struct{ RWMutex[Paths] }

func (r *reader) Lock()   { r.RLock() }
func (r *reader) Unlock() { r.RUnlock() }

func TestOrder(t *testing.T) {
	var paths reader
	var path, routing Mutex[Path]
	var settler Mutex[Leaf]
	for _, test := range []struct {
		name       string
		have, take sync.Locker
		wrong      bool
	}{
		{"a later line", &path, &settler, false},
		{"an earlier line", &settler, &path, true},
		{"two of a line", &path, &routing, true},
		{"the same one", &path, &path, true},
		{"a reader is in order as well", &paths, &path, false},
		{"a reader takes an earlier line", &path, &paths, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.have.Lock()
			if test.wrong {
				require.Panics(t, test.take.Lock)
			} else {
				test.take.Lock()
				test.take.Unlock()
			}
			test.have.Unlock()
			test.take.Lock() // which has nothing to do with the one before
			test.take.Unlock()
		})
	}
}

func TestOrderIsThatOfAGoroutine(t *testing.T) {
	var path Mutex[Path]
	var settler Mutex[Leaf]
	settler.Lock()
	defer settler.Unlock()
	var other sync.WaitGroup
	other.Go(func() {
		path.Lock() // that the other goroutine has a later one is nothing to this one
		path.Unlock()
	})
	other.Wait()
}
