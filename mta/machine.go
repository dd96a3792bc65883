package mta

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/internal/memsize"
	"github.com/sluicemail/sluice/smtpin/enqueue"
	"github.com/sluicemail/sluice/throttle"
)

// Tune sets the garbage collector for a program whose garbage is mails that have left, and whose queue keeps its index
// elsewhere: collecting seldom costs little memory, as long as there is enough of it. What opening a large queue left
// behind goes first. It is for a program that is nothing but an MTA.
func Tune() {
	debug.FreeOSMemory()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if memory := memsize.Of(os.DirFS("/")); memory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory / 10 * 9) // the rest is for what the collector does not know of
	}
}

// receptionMemory is how much memory mails in reception may hold together.
func receptionMemory(cfg *config.Config) int64 {
	if cfg.SMTPMemory > 0 {
		return cfg.SMTPMemory
	}
	return memsize.Of(os.DirFS("/")) / 10
}

// profile writes a CPU profile to the file that SLUICE_CPUPROFILE names until everything is closed.
func profile(b *base) {
	name := os.Getenv("SLUICE_CPUPROFILE")
	if name == "" {
		return
	}
	f, err := b.user.openFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		b.log.Error("no CPU profile", "error", err)
		return
	}
	b.onClose(func() error { pprof.StopCPUProfile(); return f.Close() })
}

// descriptors is how many file descriptors are kept for other things than connections.
const descriptors = 200

// connectionSlots are the limits on connections; where none is set, what the limit on file descriptors allows.
func connectionSlots(cfg *config.Config) *throttle.Slots {
	total := cfg.SMTPConnections
	if total == 0 {
		total = 1000
		var limit syscall.Rlimit
		if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
			total = max(64, int(min(limit.Cur, 1<<20))-descriptors)
		}
	}
	in, out := cfg.SMTPConnectionsIn, cfg.SMTPConnectionsOut
	if cfg.SMTPConnections == 0 && in == 0 && out == 0 {
		in, out = total*3/4, total*3/4 // so that neither side can shut the other out
	}
	return throttle.NewSlots(total, in, out)
}

// prepareSpool makes the directory for large mails on their way in and clears it of what an earlier run left.
func prepareSpool(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("spool directory: %w", err)
	}
	return enqueue.CleanSpool(dir)
}

// pidFile writes the file of lock, and refuses to start when the process that it names runs.
func pidFile(b *base) error {
	if b.cfg.Lock == "" {
		return nil
	}
	f, err := b.user.openFile(b.cfg.Lock, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		text, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		return fmt.Errorf("lock: %s is held by process %s", b.cfg.Lock, strings.TrimSpace(string(text)))
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("lock: %w", err)
	}
	b.onClose(func() error {
		err := os.Remove(b.cfg.Lock)
		if errors.Is(err, os.ErrPermission) { // root's directory: an empty file that nobody holds
			err = f.Truncate(0)
		}
		return errors.Join(err, f.Close())
	})
	return nil
}

// addressList remembers the addresses of this machine for a few seconds, as it is asked for every message that names
// one.
type addressList struct {
	mu    sync.Mutex
	known []netip.Addr
	until time.Time
}

func (l *addressList) get() []netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.After(l.until) {
		l.known, l.until = LocalAddresses(), now.Add(10*time.Second)
	}
	return l.known
}

// LocalAddresses are the addresses of this machine, which mail can leave from.
func LocalAddresses() []netip.Addr {
	addrs, _ := net.InterfaceAddrs()
	var ips []netip.Addr
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			ips = append(ips, prefix.Addr())
		}
	}
	return ips
}
