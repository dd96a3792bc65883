package disk

// Err returns why nothing can be published at the moment: the disk is full or has failed; nil when all is well.
func (q *Queue) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refusePublish()
}
