package disk

import "time"

// apply enters a durable batch in the index. q.mu is held.
func (q *Queue) apply(b *batch) {
	now := time.Now().UnixMilli()
	b.segment.end = b.end
	for n, g := range b.groups {
		q.applyGroup(b.segment, g, b.bases[n], now)
	}
	if len(b.settled) > 0 {
		b.segment.settles = append(b.segment.settles, uint32(b.end-recordSize(8*int64(len(b.settled)))))
	}
	for _, i := range b.settled {
		q.retire(i)
	}
	q.logged += b.end - b.start
	if q.logged > q.checkpointAfter {
		q.kickKeeper()
	}
	q.armDelays(now)
}

func (q *Queue) applyGroup(s *segment, g *group, base, now int64) {
	for i := range g.bodies {
		q.applyBody(s, g, &g.bodies[i], base)
	}
	for i := range g.msgs {
		q.applyMessage(s, g, &g.msgs[i], base, now)
	}
	for i := range g.bodies {
		q.dropRef(g.bodies[i].index) // the group's own
	}
	for i := range g.copies {
		q.applyCopy(s, g, &g.copies[i], base, now)
	}
	for _, i := range g.retire {
		q.retire(i)
	}
	for _, r := range g.recs {
		if recordKind(g.buf[r.at+8]) == settleRecord {
			s.settles = append(s.settles, uint32(base+r.off))
		}
	}
}

func (q *Queue) applyBody(s *segment, g *group, nb *groupBody, base int64) {
	if nb.index != 0 {
		return
	}
	nb.index = q.x.bodies.alloc()
	b := q.x.bodies.at(nb.index)
	*b = bodyEntry{id: nb.id, size: nb.size, crc: nb.crc, place: nb.place, refs: 1, flags: bodyChecked}
	if nb.place == inLog {
		b.seg, b.off = s.slot, uint32(base+g.recs[nb.record].off)
		s.live += b.recordBytes()
		q.cache.addBody(nb.index, nb.data)
	}
}

func (q *Queue) applyMessage(s *segment, g *group, m *groupMessage, base, now int64) {
	i := q.x.insert(m.id, &m.facts)
	e := q.x.entries.at(i)
	e.seg, e.off, e.length = s.slot, uint32(base+g.recs[m.record].off), m.length
	s.live += recordSize(int64(m.length))
	s.noteID(m.id)
	if m.body >= 0 {
		e.body = g.bodies[m.body].index
		q.x.bodies.at(e.body).refs++
	}
	if m.copied != nil {
		q.cache.addMessage(i, m.copied, int(m.length))
	}
	q.x.place(i, now, false)
	if e.state == stateReady {
		q.wake(q.x.queues[e.queue])
	}
}

// applyCopy moves an entry or a mail to its new place.
func (q *Queue) applyCopy(s *segment, g *group, c *groupCopy, base, now int64) {
	off := uint32(base + g.recs[c.record].off)
	if c.body != 0 {
		b := q.x.bodies.at(c.body)
		q.unlive(q.segs.get(b.seg), b.recordBytes())
		b.seg, b.off = s.slot, off
		s.live += b.recordBytes()
		q.dropRef(c.body) // the group's own
		return
	}
	e := q.x.entries.at(c.entry)
	q.unlive(q.segs.get(e.seg), recordSize(int64(e.length)))
	e.seg, e.off, e.length = s.slot, off, c.length
	s.live += recordSize(int64(e.length))
	s.noteID(e.id)
	if c.to == "" || e.state != stateMoving {
		return
	}
	q.x.reassign(e, c.to)
	q.x.place(c.entry, now, false)
	if e.state == stateReady {
		q.wake(q.x.queues[e.queue])
	}
}

// retire frees an entry whose settlement is durable.
func (q *Queue) retire(i uint32) {
	e := q.x.entries.at(i)
	q.unlive(q.segs.get(e.seg), recordSize(int64(e.length)))
	q.cache.drop(e.hot)
	if e.body != 0 {
		q.dropRef(e.body)
	}
	q.x.forget(i)
}

// unlive counts bytes of a segment as no longer needed.
func (q *Queue) unlive(s *segment, n int64) {
	if s == nil || n == 0 {
		return
	}
	s.live -= n
	if s.live <= 0 && s.sealed {
		q.kickKeeper()
	}
}
