package config

import "time"

// stores is the address of a message store.
func stores() codec[string] {
	return address("dir", "directory", "sqlite", "postgresql", "postgres", "mysql", "s3", "mongodb")
}

func queueKeys() []Key {
	return []Key{
		key("queue-address", "disk:///var/lib/mtad/queue", address("disk"), func(c *Config) *string { return &c.QueueAddress }, "the embedded durable queue; not used with rabbitmq-address").ours().restart(),
		key("redis-address", "", addresses("redis", "rediss"), func(c *Config) *[]string { return &c.RedisAddress }, "where throttles are shared with other instances").ours().restart(),
		key("rabbitmq-address", "", addresses("amqp", "amqps"), func(c *Config) *[]string { return &c.RabbitMQAddress }, "brokers to use instead of the embedded queue, amqp:// or amqps://").restart(),
		key("rabbitmq-outbox", "outbox", queueName(), func(c *Config) *string { return &c.RabbitMQOutbox }, "queue of messages to send").restart(),
		key("rabbitmq-inbox", "outbox", queueName(), func(c *Config) *string { return &c.RabbitMQInbox }, "queue of messages received; empty: discard them").restart(),
		key("rabbitmq-local", "", queueName(), func(c *Config) *string { return &c.RabbitMQLocal }, "queue of messages for local addresses").blank("the inbox").restart(),
		key("rabbitmq-reports", "", queueName(), func(c *Config) *string { return &c.RabbitMQReports }, "queue of reports to local addresses").blank("as other local mail").restart(),
		key("rabbitmq-feedback", "feedback", queueName(), func(c *Config) *string { return &c.RabbitMQFeedback }, "queue in which reports wait to be read and joined to what was sent, before they go to rabbitmq-reports; empty: they go there as they came").ours().restart(),
		key("rabbitmq-refused", "", queueName(), func(c *Config) *string { return &c.RabbitMQRefused }, "queue of messages refused for lack of authentication").blank("not kept").restart(),
		key("rabbitmq-dsn", "", queueName(), func(c *Config) *string { return &c.RabbitMQDSN }, "queue of bounces made here").blank("none are made").restart(),
		key("rabbitmq-results", "", queueName(), func(c *Config) *string { return &c.RabbitMQResults }, "queue of all final results").blank("not published").restart(),
		key("rabbitmq-success", "", queueName(), func(c *Config) *string { return &c.RabbitMQSuccess }, "queue of successes").blank("not published").restart(),
		key("rabbitmq-failure", "", queueName(), func(c *Config) *string { return &c.RabbitMQFailure }, "queue of final failures").blank("not published").restart(),
		key("rabbitmq-retry", "", queueName(), func(c *Config) *string { return &c.RabbitMQRetry }, "queue of attempts that will be repeated").blank("not published").restart(),
		key("storage-address", "", stores(), func(c *Config) *string { return &c.StorageAddress }, "store that keeps mail outside the queue").restart(),
		key("storage-policy", "none", oneOf("none", "in", "out", "all"), func(c *Config) *string { return &c.StoragePolicy }, "mail kept there: none, in, out (only what is published back), all"),
		key("storage-ttl", "3600", seconds(0), func(c *Config) *time.Duration { return &c.StorageTTL }, "seconds it stays there after delivery"),
		key("storage-timeout", "20", seconds(time.Millisecond), func(c *Config) *time.Duration { return &c.StorageTimeout }, "seconds fetching a mail may take"),
		key("storage-reschedule", "120", seconds(0), func(c *Config) *time.Duration { return &c.StorageReschedule }, "seconds until a mail that took longer is tried again"),
		key("storage-threads", "1", number(1, 1024), func(c *Config) *int { return &c.StorageThreads }, "operations of the store at a time").restart(),
	}
}

func rabbitKeys() []Key {
	all := []Key{
		key("rabbitmq-verify", "true", boolean(), func(c *Config) *bool { return &c.RabbitMQVerify }, "verify the broker's certificate"),
		key("rabbitmq-exchange", "", queueName(), func(c *Config) *string { return &c.RabbitMQExchange }, "publish through this exchange, with the queue's name as routing key"),
		key("rabbitmq-declare", "true", boolean(), func(c *Config) *bool { return &c.RabbitMQDeclare }, "declare the queues at start"),
		key("rabbitmq-durable", "true", boolean(), func(c *Config) *bool { return &c.RabbitMQDurable }, "declare durable queues"),
		key("rabbitmq-persistent", "true", boolean(), func(c *Config) *bool { return &c.RabbitMQPersistent }, "publish persistent messages (false in MailerQ: here nothing accepted may be lost)"),
		key("rabbitmq-lazy", "false", boolean(), func(c *Config) *bool { return &c.RabbitMQLazy }, "declare lazy queues"),
		key("rabbitmq-queue-type", "classic", oneOf("classic", "quorum"), func(c *Config) *string { return &c.RabbitMQQueueType }, "type of the queues declared").ours(),
		key("rabbitmq-maxpriority", "", number(0, 255), func(c *Config) *int { return &c.RabbitMQMaxPriority }, "x-max-priority of the queues declared").blank("no priorities"),
		key("rabbitmq-consumers", "1", number(1, 1024), func(c *Config) *int { return &c.RabbitMQConsumers }, "connections that consume"),
		key("rabbitmq-publishers", "1", number(1, 1024), func(c *Config) *int { return &c.RabbitMQPublishers }, "connections that publish"),
		key("rabbitmq-qos", "1000", number(1, 65535), func(c *Config) *int { return &c.RabbitMQQoS }, "prefetch for each consumer"),
		key("rabbitmq-minqos", "100", number(1, 65535), func(c *Config) *int { return &c.RabbitMQMinQoS }, "lower bound of the prefetch when it is scaled back"),
		key("rabbitmq-flush-qos", "1000", number(1, 65535), func(c *Config) *int { return &c.RabbitMQFlushQoS }, "prefetch when a parked queue is flushed"),
		key("rabbitmq-throttle", "100", count(1), func(c *Config) *int { return &c.RabbitMQThrottle }, "unconfirmed messages for each publisher"),
		key("rabbitmq-encoding", "", oneOf("|none|identity", "gzip"), func(c *Config) *string { return &c.RabbitMQEncoding }, "gzip compresses what is published").blank("none"),
	}
	for i := range all {
		all[i] = all[i].needs("rabbitmq-address").restart()
	}
	return all
}

func clusterKeys() []Key {
	return []Key{
		key("cluster-address", "", addresses("amqp", "amqps"), func(c *Config) *[]string { return &c.ClusterAddress }, "broker over which the instances talk").blank("rabbitmq-address").restart(),
		key("cluster-exchange", "cluster", queueName(), func(c *Config) *string { return &c.ClusterExchange }, "exchange that the instances share").needs("cluster-address").restart(),
		key("cluster-verify", "true", boolean(), func(c *Config) *bool { return &c.ClusterVerify }, "verify that broker's certificate").needs("cluster-address").restart(),
		key("cluster-timeout", "1", seconds(time.Millisecond), func(c *Config) *time.Duration { return &c.ClusterTimeout }, "seconds to wait for the others' answers").needs("cluster-address"),
		key("server-id", "1", count(0), func(c *Config) *int { return &c.ServerID }, "part of every message id, so that instances never collide").restart(),
	}
}

func databaseKeys() []Key {
	return []Key{
		key("database-address", "sqlite:///var/lib/mtad/settings.db", address("sqlite", "mysql", "postgresql", "postgres"), func(c *Config) *string { return &c.DatabaseAddress }, "settings database: sqlite://, mysql://, postgresql://").alias("database").restart(),
		key("database-ttl", "600", seconds(time.Second), func(c *Config) *time.Duration { return &c.DatabaseTTL }, "seconds between reloads").restart(),
		key("database-validate", "true", boolean(), func(c *Config) *bool { return &c.DatabaseValidate }, "check the tables at start").restart(),
		key("database-required", "false", boolean(), func(c *Config) *bool { return &c.DatabaseRequired }, "do not start when the database cannot be read and no settings of an earlier run are kept; else mail is taken, and waits").ours().restart(),
	}
}
