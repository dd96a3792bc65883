// Package rabbit tries the real mtad on a real RabbitMQ broker: what other programs publish is delivered and its
// results come back, mail that was accepted outlives mtad and the broker, and mtad waits for a broker that is away.
package rabbit
