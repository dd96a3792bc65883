//go:build lockorder

package locks

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
)

// Mutex is a sync.Mutex that checks the order.
type Mutex[P Place] struct {
	mu    sync.Mutex
	owner string // the goroutine that has it; it is no other that gives it back
}

// Lock locks m.
func (m *Mutex[P]) Lock() {
	id := goroutine()
	enter[P](id)
	m.mu.Lock()
	m.owner = id
}

// Unlock unlocks m.
func (m *Mutex[P]) Unlock() {
	id := m.owner
	m.mu.Unlock()
	leave[P](id)
}

// RWMutex is a sync.RWMutex that checks the order. Readers are like writers here.
type RWMutex[P Place] struct{ Mutex[P] }

// RLock locks m for reading.
func (m *RWMutex[P]) RLock() { m.Lock() }

// RUnlock ends RLock.
func (m *RWMutex[P]) RUnlock() { m.Unlock() }

// held has for each goroutine the lines of the locks that it has, as a set of bits.
var held sync.Map

// enter notes that a goroutine takes a lock, and panics when it has one of the same line or of a later one.
func enter[P Place](id string) {
	var place P
	bit := uint(1) << place.line()
	lines, _ := held.LoadOrStore(id, new(uint))
	if has := lines.(*uint); *has >= bit {
		panic(fmt.Sprintf("locks: goroutine %s takes %T while it has a lock of the same line or of a later one (%b)", id, place,
			*has))
	}
	*lines.(*uint) |= bit
}

// leave notes that a goroutine gave a lock back.
func leave[P Place](id string) {
	var place P
	lines, _ := held.Load(id)
	if has := lines.(*uint); *has == 1<<place.line() {
		held.Delete(id)
	} else {
		*has &^= 1 << place.line()
	}
}

// goroutine returns the number of the calling goroutine, which only a stack trace tells.
func goroutine() string {
	var room [64]byte
	text := bytes.TrimPrefix(room[:runtime.Stack(room[:], false)], []byte("goroutine "))
	number, _, _ := bytes.Cut(text, []byte(" "))
	return string(number)
}
