package messages

// News is what a browser gets of the queues.
type News = queueNews
