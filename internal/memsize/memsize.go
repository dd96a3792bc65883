// Package memsize tells how much memory a program may use.
package memsize

import (
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Of returns the bytes of memory that this process may use: the smallest limit of its control groups, version 1 or 2,
// or else what the machine has; 0 when neither is known, as on other systems than Linux. root is the root directory.
func Of(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	for _, size := range append(groupLimits(root), machine(root)) {
		if size > 0 {
			least = min(least, size)
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// machine returns what the machine has (proc_meminfo(5)).
func machine(root fs.FS) int64 {
	text, _ := fs.ReadFile(root, "proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "MemTotal:" && words[2] == "kB" {
			kib, _ := strconv.ParseInt(words[1], 10, 53)
			return kib << 10
		}
	}
	return 0
}

// groupLimits returns the limits of all control groups that this process is in, from its own up to the root
// (cgroups(7)). In a container the path may be that of the host, and the files those of the container: the root is
// looked at in any case.
func groupLimits(root fs.FS) []int64 {
	var limits []int64
	text, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(parts) != 3 {
			continue
		}
		dir, names := "", []string(nil)
		switch {
		case parts[1] == "":
			dir, names = "sys/fs/cgroup", []string{"memory.max", "memory.high"}
		case slices.Contains(strings.Split(parts[1], ","), "memory"):
			dir, names = "sys/fs/cgroup/memory", []string{"memory.limit_in_bytes"}
		default:
			continue
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			for _, name := range names {
				limits = append(limits, number(root, path.Join(dir, group, name)))
			}
			if group == "/" {
				break
			}
		}
	}
	return limits
}

// number reads a file with a number; 0 for "max" and what cannot be read.
func number(root fs.FS, name string) int64 {
	text, _ := fs.ReadFile(root, name)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}
