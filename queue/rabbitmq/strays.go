package rabbitmq

// BringBack moves what waits on ladders of the named queues into these themselves: earlier versions put delayed mail
// there for queues of other readers, and nobody moves it. It returns at once, and goes on until all is moved or the
// queue closes. A ladder that this or another process moves is left alone. The queues of a ladder that is empty are
// deleted, if they are classic ones.
func (q *Queue) BringBack(names ...string) {
	q.start(func() {
		for _, name := range names {
			q.bringBack(name)
		}
	})
}

// bringBack does that for one queue. While the broker is away it waits.
func (q *Queue) bringBack(name string) {
	n := 0
	for i := range rungs {
		for q.life.Err() == nil {
			moved, err := q.emptyStep(name, i)
			if n += moved; err == nil {
				break
			}
			q.opts.Logger.Debug("delayed mail could not be brought back yet", "queue", name, "error", err)
			pause(q.life, lastRetry)
		}
	}
	if n > 0 {
		q.opts.Logger.Info("brought back mail that waited where nobody looked", "queue", name, "messages", n)
	}
}

// emptyStep moves what is on one step of a ladder to the queue that it is for, and deletes the step.
func (q *Queue) emptyStep(name string, step int) (n int, err error) {
	from := rungName(name, step)
	seen, found, err := q.topology.look(q.life, from)
	if err != nil || !found || seen.Consumers > 0 || q.book(name).isTended() {
		return 0, err
	}
	if seen.Messages > 0 {
		if n, err = q.moveAll(from, name); err != nil {
			return n, err
		}
	}
	return n, q.topology.discard(q.life, from)
}

// moveAll moves all messages of a queue to another one, and returns how many.
func (q *Queue) moveAll(from, to string) (int, error) {
	if err := q.topology.target(q.life, to); err != nil {
		return 0, err
	}
	conn, err := q.sources[0].get(q.life)
	if err != nil {
		return 0, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return 0, err
	}
	defer ch.Close() // which gives back what is not acknowledged
	return q.book(to).empty(ch, from)
}
