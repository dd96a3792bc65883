package prometheus

import (
	"maps"
	"sync"
	"sync/atomic"
)

// bounded holds a value for each of a number of keys, of which there are few: to find one that is known takes a look
// into a map that is never changed. The zero bounded is empty.
type bounded[K comparable, V any] struct {
	known   atomic.Pointer[map[K]*V]
	growing sync.Mutex
}

// of returns the value of a key, or that of the key for all others when most are known. own makes a key that is kept.
func (b *bounded[K, V]) of(key K, most int, others K, own func(K) K) *V {
	if all := b.known.Load(); all != nil {
		if v := (*all)[key]; v != nil {
			return v
		}
		if len(*all) > most { // others among them
			return (*all)[others]
		}
	}
	return b.add(key, most, others, own)
}

func (b *bounded[K, V]) add(key K, most int, others K, own func(K) K) *V {
	b.growing.Lock()
	defer b.growing.Unlock()
	grown := map[K]*V{}
	if all := b.known.Load(); all != nil {
		maps.Copy(grown, *all)
	}
	if v := grown[key]; v != nil {
		return v
	}
	if len(grown) >= most {
		key = others
	}
	if grown[key] == nil {
		grown[own(key)] = new(V)
		b.known.Store(&grown)
	}
	return grown[key]
}

// all yields what is known.
func (b *bounded[K, V]) all() map[K]*V {
	if all := b.known.Load(); all != nil {
		return *all
	}
	return nil
}
