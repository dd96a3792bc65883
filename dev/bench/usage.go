package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is what a program and its children have used so far.
type usage struct {
	cpu     time.Duration
	written int64 // bytes sent to the disk
	rss     int64 // peak of each process, added up
}

// tick is the unit of /proc's CPU times: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// usage adds up the relay's process tree, and that of what works beside it. Of the children that have ended, their
// parents know.
func (r *relay) usage() usage {
	var u usage
	if r.beside != nil {
		u = r.beside.usage()
	}
	for _, pid := range tree(r.pid) {
		u.cpu += cpu(pid)
		u.written += field(pid, "io", "write_bytes:")
		u.rss += field(pid, "status", "VmHWM:") << 10
	}
	return u
}

// tree returns a process and all that descend from it.
func tree(root int) []int {
	children := make(map[int][]int)
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if stat := stat(pid); len(stat) > 1 {
			parent, _ := strconv.Atoi(stat[1])
			children[parent] = append(children[parent], pid)
		}
	}
	pids := []int{root}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[pids[i]]...)
	}
	return pids
}

// stat returns the fields of /proc/PID/stat from the third on: the state, the parent, …
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

// cpu is the user and system time of a process and of its children that have ended.
func cpu(pid int) time.Duration {
	fields := stat(pid)
	if len(fields) < 15 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:15] { // utime stime cutime cstime
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * tick
}

// field returns a number from one of the files of /proc/PID.
func field(pid int, file, name string) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), name); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n
		}
	}
	return 0
}
