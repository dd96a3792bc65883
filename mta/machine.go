package mta

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluicemail/sluice/config"
	"github.com/sluicemail/sluice/internal/memsize"
	"github.com/sluicemail/sluice/smtpin"
	"github.com/sluicemail/sluice/smtpin/enqueue"
	"github.com/sluicemail/sluice/throttle"
)

// stateDir is where the program keeps its files when no configuration says otherwise.
func stateDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "mtad")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "mtad")
	}
	return filepath.Join(os.TempDir(), "mtad-"+strconv.Itoa(os.Getuid()))
}

// tune sets the garbage collector for a program whose garbage is mails that have left, and whose queue keeps its index
// elsewhere: collecting seldom costs little memory, as long as there is enough of it. What opening a large queue left
// behind goes first.
func tune() {
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

// profile writes a CPU profile to the file that SLUICE_CPUPROFILE names, until the returned function is called.
func profile(u *account, log *slog.Logger) (stop func()) {
	name := os.Getenv("SLUICE_CPUPROFILE")
	if name == "" {
		return func() {}
	}
	f, err := u.openFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		log.Error("no CPU profile", "error", err)
		return func() {}
	}
	return func() { pprof.StopCPUProfile(); f.Close() }
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

// capClients bounds how many connections one client may have: to half of the incoming ones, unless set, where it may
// not relay or is not in smtp-range.
func (a *app) capClients(cfg *config.Config) {
	s := a.server
	if s.ConnectionsPerClient = max(cfg.SMTPConnectionsClient, 0); cfg.SMTPConnectionsClient != 0 {
		return
	}
	total, in, _ := a.slots.Limits()
	if in == 0 {
		in = total
	}
	s.ConnectionsPerClient = max(1, in/2)
	s.Uncapped = func(c *smtpin.Conn) bool { return c.Trusted() && a.allows(c.Remote().Addr()) }
}

// prepareSpool makes the directory for large mails on their way in and clears it of what an earlier run left.
func prepareSpool(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("spool directory: %w", err)
	}
	return enqueue.CleanSpool(dir)
}

// pidFile writes the file of lock, and refuses to start when the process that it names runs.
func (a *app) pidFile(cfg *config.Config) error {
	if cfg.Lock == "" {
		return nil
	}
	u, err := serviceAccount(cfg)
	if err != nil {
		return err
	}
	f, err := u.openFile(cfg.Lock, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		text, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		return fmt.Errorf("lock: %s is held by process %s", cfg.Lock, strings.TrimSpace(string(text)))
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("lock: %w", err)
	}
	a.onClose(func() error {
		err := os.Remove(cfg.Lock)
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

var interfaceAddresses addressList

func (l *addressList) get() []netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.After(l.until) {
		l.known, l.until = readAddresses(), now.Add(10*time.Second)
	}
	return l.known
}

func readAddresses() []netip.Addr {
	addrs, _ := net.InterfaceAddrs()
	var ips []netip.Addr
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			ips = append(ips, prefix.Addr())
		}
	}
	return ips
}
