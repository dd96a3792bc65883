//go:build !lockorder

package locks

import "sync"

// Mutex is a sync.Mutex.
type Mutex[P Place] struct{ sync.Mutex }

// RWMutex is a sync.RWMutex.
type RWMutex[P Place] struct{ sync.RWMutex }
