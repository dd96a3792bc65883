package doctor

import (
	"fmt"

	"github.com/sluicemail/sluice/internal/human"
)

// What a server needs.
const (
	fewDescriptors = 4096
	kept           = 200 // for other things than connections
	littleMemory   = 256 << 20
)

// checkLimits looks at what the kernel lets the server have.
func checkLimits(r *round) {
	files, memory := r.system().Descriptors(), r.system().Memory()
	switch {
	case files <= 0:
	case r.Connections > 0 && files < int64(r.Connections+kept):
		r.fail("descriptors-over", "file descriptors",
			fmt.Sprintf("%d are allowed, and smtp-connections says %d", files, r.Connections),
			"set LimitNOFILE in the unit, or lower smtp-connections")
	case files < fewDescriptors:
		r.warn("descriptors-few", "file descriptors", fmt.Sprintf("only %d are allowed: each connection takes one", files),
			"set LimitNOFILE=65536 in the unit, or ulimit -n")
	}
	switch {
	case memory <= 0:
	case r.Memory > 0 && r.Memory > memory/2:
		r.fail("memory-over", "memory", "mails in reception may take "+human.Size(r.Memory)+" (smtp-memory), and there are "+
			human.Size(memory)+" in all", "lower smtp-memory, or raise the limit of the control group")
	case memory < littleMemory:
		r.warn("memory-little", "memory", "the server may use "+human.Size(memory),
			"raise MemoryMax in the unit, or the container's limit")
	}
}
