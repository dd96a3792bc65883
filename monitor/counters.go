package monitor

import "math"

// Counts are how often things happened in some span of time.
type Counts struct {
	Processed     int64 `json:"processed"`      // messages read from the outbox
	Parked        int64 `json:"parked"`         // messages set aside again
	Connects      int64 `json:"connects"`       // outgoing connections begun
	ConnectFailed int64 `json:"connect-failed"` // of those, not established
	Attempts      int64 `json:"attempts"`       // over the wire
	Delivered     int64 `json:"delivered"`
	Retried       int64 `json:"retried"`
	Errors        int64 `json:"errors"`     // failed for good
	Strange       int64 `json:"strange"`    // replies that make no sense
	NotTried      int64 `json:"not-tried"`  // finished without an attempt
	Reassigned    int64 `json:"reassigned"` // took another source address
	Received      int64 `json:"received"`   // recipients of mail that came in
	Refused       int64 `json:"refused"`    // commands of clients
	Clients       int64 `json:"clients"`    // connections that came in
	Unwelcome     int64 `json:"unwelcome"`  // of those, refused at the greeting
	BytesOut      int64 `json:"bytes-out"`  // of mail delivered
	BytesIn       int64 `json:"bytes-in"`   // of mail received
	Reported      int64 `json:"reported"`   // reports about mail that was sent
}

// Gauges are how many there are now.
type Gauges struct {
	InMemory int64 `json:"in-memory"` // messages taken from the outbox
	Starting int64 `json:"starting"`  // outgoing connections not yet established
	Active   int64 `json:"active"`    // outgoing connections at work
	Idle     int64 `json:"idle"`      // outgoing connections that wait for work
	Clients  int64 `json:"clients"`   // incoming connections
}

// counter numbers the fields of Counts.
type counter uint8

const (
	processed counter = iota
	parked
	connects
	connectFailed
	attempts
	delivered
	retried
	failed
	strange
	notTried
	reassigned
	received
	refused
	clients
	unwelcome
	bytesOut
	bytesIn
	reported
	counters

	noCounter = counters
)

// gauge numbers the fields of Gauges.
type gauge uint8

const (
	inMemory gauge = iota
	starting
	active
	idle
	connected
	gauges

	noGauge = gauges
)

// effect is what an event of some kind does to the figures.
type effect struct {
	known  bool
	counts counter // goes up by one
	bytes  counter // goes up by the event's Bytes
	up     gauge
	down   gauge
	mta    bool // the kind has a local address
}

// effectOf returns the effect of a kind; that of an unknown one is not known.
func effectOf(k Kind) effect {
	if int(k) < len(effects) {
		return effects[k]
	}
	return effect{}
}

// effects is never changed.
var effects = [Reported + 1]effect{
	ClientConnected:    {true, clients, noCounter, connected, noGauge, true},
	ClientDisconnected: {true, noCounter, noCounter, noGauge, connected, true},
	ClientRefused:      {true, unwelcome, noCounter, noGauge, noGauge, true},
	CommandRefused:     {true, refused, noCounter, noGauge, noGauge, true},
	MessageReceived:    {true, received, bytesIn, noGauge, noGauge, true},
	Picked:             {true, processed, noCounter, inMemory, noGauge, false},
	Parked:             {true, parked, noCounter, noGauge, inMemory, false},
	Left:               {true, noCounter, noCounter, noGauge, inMemory, false},
	Reassigned:         {true, reassigned, noCounter, noGauge, noGauge, true},
	NotTried:           {true, notTried, noCounter, noGauge, noGauge, true},
	Attempted:          {true, attempts, noCounter, noGauge, noGauge, true},
	Delivered:          {true, delivered, bytesOut, noGauge, noGauge, true},
	Retried:            {true, retried, noCounter, noGauge, noGauge, true},
	Failed:             {true, failed, noCounter, noGauge, noGauge, true},
	Strange:            {true, strange, noCounter, noGauge, noGauge, true},
	ConnStarting:       {true, connects, noCounter, starting, noGauge, true},
	ConnReady:          {true, noCounter, noCounter, active, starting, true},
	ConnFailed:         {true, connectFailed, noCounter, noGauge, starting, true},
	ConnIdle:           {true, noCounter, noCounter, idle, active, true},
	ConnBusy:           {true, noCounter, noCounter, active, idle, true},
	ConnClosed:         {true, noCounter, noCounter, noGauge, active, true},
	Reported:           {true, reported, noCounter, noGauge, noGauge, false},
}

// add adds the counters of one second.
func (c *Counts) add(n *[counters]uint32) {
	c.Processed += int64(n[processed])
	c.Parked += int64(n[parked])
	c.Connects += int64(n[connects])
	c.ConnectFailed += int64(n[connectFailed])
	c.Attempts += int64(n[attempts])
	c.Delivered += int64(n[delivered])
	c.Retried += int64(n[retried])
	c.Errors += int64(n[failed])
	c.Strange += int64(n[strange])
	c.NotTried += int64(n[notTried])
	c.Reassigned += int64(n[reassigned])
	c.Received += int64(n[received])
	c.Refused += int64(n[refused])
	c.Clients += int64(n[clients])
	c.Unwelcome += int64(n[unwelcome])
	c.BytesOut += int64(n[bytesOut])
	c.BytesIn += int64(n[bytesIn])
	c.Reported += int64(n[reported])
}

// add adds what is below zero too: it evens out over the parts of a sum.
func (g *Gauges) add(n *[gauges]int32) {
	g.InMemory += int64(n[inMemory])
	g.Starting += int64(n[starting])
	g.Active += int64(n[active])
	g.Idle += int64(n[idle])
	g.Clients += int64(n[connected])
}

// positive makes up for ends whose beginning was not seen.
func (g *Gauges) positive() {
	g.InMemory = max(g.InMemory, 0)
	g.Starting = max(g.Starting, 0)
	g.Active = max(g.Active, 0)
	g.Idle = max(g.Idle, 0)
	g.Clients = max(g.Clients, 0)
}

// more adds to a counter, up to its limit.
func more(n *uint32, by int64) {
	*n = uint32(min(int64(*n)+max(by, 0), math.MaxUint32))
}
