package memsize

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	const meminfo, self, v2, v1 = "proc/meminfo", "proc/self/cgroup", "sys/fs/cgroup/", "sys/fs/cgroup/memory/"
	machine := "MemTotal:        4000000 kB\nMemFree:          100 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing is known", nil, 0},
		{"a machine", map[string]string{meminfo: machine}, 4_000_000 << 10},
		{"a group without limit", map[string]string{meminfo: machine, self: "0::/a/b\n", v2 + "a/b/memory.max": "max\n"},
			4_000_000 << 10},
		{"a group", map[string]string{meminfo: machine, self: "0::/a/b\n", v2 + "a/b/memory.max": "1000000\n"}, 1_000_000},
		{"a group in one with less", map[string]string{meminfo: machine, self: "0::/a/b\n",
			v2 + "a/b/memory.max": "1000000\n", v2 + "a/memory.max": "500000\n"}, 500_000},
		{"a group that is slowed earlier", map[string]string{self: "0::/a\n", v2 + "a/memory.max": "1000000\n",
			v2 + "a/memory.high": "900000\n"}, 900_000},
		{"a container", map[string]string{meminfo: machine, self: "0::/\n", v2 + "memory.max": "1000000\n"}, 1_000_000},
		{"a container with the path of its host",
			map[string]string{meminfo: machine, self: "0::/../../x\n", v2 + "memory.max": "1000000\n"}, 1_000_000},
		{"version 1", map[string]string{meminfo: machine, self: "4:cpu,memory:/a\n0::/\n",
			v1 + "a/memory.limit_in_bytes": "1000000\n"}, 1_000_000},
		{"version 1 without limit", map[string]string{meminfo: machine, self: "4:memory:/\n",
			v1 + "memory.limit_in_bytes": "9223372036854771712\n"}, 4_000_000 << 10},
		{"nonsense", map[string]string{meminfo: "MemTotal: lots kB\n", self: "0\n::\n\n7", v2 + "memory.max": "-5"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range c.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			require.Equal(t, c.want, Of(root))
		})
	}
	if _, err := os.Stat("/proc/meminfo"); err == nil {
		require.Greater(t, Of(os.DirFS("/")), int64(64<<20))
	}
}
