// Package rabbittest is what tests with a RabbitMQ broker share: a Node for all the tests of a package, a Proxy that
// cuts connections, a Reader of a queue, a Stranger who speaks AMQP with another program's hands, a Load that counts
// what becomes of each message, and Notes of what was logged.
package rabbittest
