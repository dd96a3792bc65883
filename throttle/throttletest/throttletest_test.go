package throttletest_test

import (
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/throttle"
	"github.com/sluicemail/sluice/throttle/local"
	"github.com/sluicemail/sluice/throttle/throttletest"
)

// bad are throttlers that break the contract, each in its way, and what the examiner says of them.
func bad() map[string]struct {
	make throttletest.New
	says []string
} {
	stuck := func(wait throttle.Wait) throttletest.New {
		return func(_ *testing.T, limits throttle.Limits) throttle.Throttler {
			return &broken{limits: limits, send: wait}
		}
	}
	return map[string]struct {
		make throttletest.New
		says []string
	}{
		"grants everything": {stuck(throttle.Wait{}), []string{
			"maxmessages: more than the limit of 1 in some minute",
			"ip_maxmessages over two sites: more than the limit of 300 in some minute",
			"maxbytes: more than the limit in some minute",
			"maxconnects: more than the limit of 120 in some minute",
			"more connections than maxconnections allows",
			"a pause must not lead to more than the limit in some minute",
			"a path that is paused does not connect",
		}},
		"refuses everything for an instant": {stuck(throttle.Wait{For: 1, Limit: "maxmessages", Rule: "configuration"}),
			[]string{
				"zero is unlimited", "Wait.For says when it makes sense to ask again"}},
		"refuses for less than no time": {stuck(throttle.Wait{For: -1, Limit: "maxmessages", Rule: "configuration"}),
			[]string{
				"Wait.For is positive in every wait"}},
		"names no limit": {stuck(throttle.Wait{For: time.Second, Rule: "configuration"}),
			[]string{"Wait names the limit that holds"}},
		"connects with nothing": {func(_ *testing.T, limits throttle.Limits) throttle.Throttler {
			return &broken{limits: limits, nothing: true}
		},
			[]string{"Connect with a zero Wait must return a Conn"}},
		"tells without end": {func(_ *testing.T, limits throttle.Limits) throttle.Throttler {
			return &broken{limits: limits, chatty: true}
		},
			[]string{"nobody waits, so nobody is to be told"}},
	}
}

// TestExaminerEnds with every bad throttler, and names the rules that it breaks. The examination runs in a process of
// its own, since it fails.
func TestExaminerEnds(t *testing.T) {
	if name := os.Getenv("EXAMINE"); name != "" {
		throttletest.Run(t, bad()[name].make)
		if name == "grants everything" {
			throttletest.RunShared(t, bad()[name].make, throttletest.Sharing{Patience: 100 * time.Millisecond})
		}
		return
	}
	for name, c := range bad() {
		t.Run(name, func(t *testing.T) {
			examine := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestExaminerEnds$", "-test.timeout=5m")
			examine.Env = append(os.Environ(), "EXAMINE="+name)
			said, err := examine.CombinedOutput()
			require.Error(t, err, "%s", said)
			require.NotContains(t, string(said), "panic:")
			require.Contains(t, string(said), "--- FAIL: TestExaminerEnds", "it came to its end")
			for _, rule := range c.says {
				require.Contains(t, string(said), rule)
			}
		})
	}
}

func TestGoodThrottlerPasses(t *testing.T) {
	throttletest.Run(t, func(_ *testing.T, limits throttle.Limits) throttle.Throttler {
		return plain{local.New(&local.Table{Base: limits})}
	})
}

// plain hides the add-ons of a throttler.
type plain struct{ throttle.Throttler }

// broken is a throttler without any limits.
type broken struct {
	limits  throttle.Limits
	send    throttle.Wait
	nothing bool // there is no connection
	chatty  bool
	told    func(throttle.Path)
}

func (b *broken) Limits(throttle.Path) *throttle.Limits { return &b.limits }

func (b *broken) Connect(path throttle.Path, _ netip.Addr) (throttle.Conn, throttle.Wait) {
	if b.nothing {
		return nil, throttle.Wait{}
	}
	for range 100 {
		if b.chatty && b.told != nil {
			b.told(path)
		}
	}
	return account{b}, throttle.Wait{}
}

func (*broken) Observe(throttle.Path, netip.Addr, throttle.Outcome) {}

func (b *broken) Changed(f func(throttle.Path)) { b.told = f }

type account struct{ b *broken }

func (account) Established()               {}
func (a account) Send(int64) throttle.Wait { return a.b.send }
func (account) Cancel(int64)               {}
func (account) Idle(bool)                  {}
func (account) Close()                     {}
