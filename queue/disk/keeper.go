package disk

import "time"

// keeper does what needs no hurry, in a goroutine of its own: it deletes files, gives back and rewrites segments,
// keeps the reserve and saves the index. Queue.mu protects the fields but the channels.
type keeper struct {
	kick chan struct{}
	stop chan struct{}

	unlink          []bodyFile // no record names them any more, durably
	bodyBytes       int64      // of all files in bodyDir
	logged          int64      // written to the log since the last checkpoint
	checkpointAfter int64
	checkpointBytes int64
	freedSince      []uint64  // segments given back since the last checkpoint
	saved           bool      // there was one
	rewritten       time.Time // when a segment was last rewritten
}

// kickKeeper makes the keeper look. It may be called with q.mu held.
func (q *Queue) kickKeeper() {
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// keepEvery is how often the keeper looks without being called.
const keepEvery = time.Second

func (q *Queue) keepLoop() {
	defer q.running.Done()
	ticker := time.NewTicker(keepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-q.stop:
			q.deleteFiles()
			return
		case <-q.kick:
		case <-ticker.C:
			q.trim()
		}
		q.deleteFiles()
		q.freeSegments()
		q.mu.Lock()
		q.keepReserve()
		due := q.logged > q.checkpointAfter && q.failed == nil
		q.mu.Unlock()
		if due {
			if err := q.checkpoint(); err != nil {
				q.log.Warn("cannot save the index; the next start takes longer", "error", err)
			}
		}
		q.rewrite()
	}
}

// trim gives memory back.
func (q *Queue) trim() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.x.entries.trim()
	q.x.bodies.trim()
}

// deleteFiles removes large mails that are settled.
func (q *Queue) deleteFiles() {
	q.mu.Lock()
	files := q.unlink
	q.unlink = nil
	aborted := q.aborted
	q.mu.Unlock()
	if aborted {
		return
	}
	for _, f := range files {
		q.removeBodyFile(f.id, f.size)
	}
}
