// Package rabbitmq keeps queues on a RabbitMQ broker.
package rabbitmq
