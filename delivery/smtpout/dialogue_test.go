package smtpout_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/delivery/smtpout"
	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// A dialogue is a text file, the remote's part of one or more connections and what must come of them:
//
//	> TEXT      the remote sends a line, or several in one piece with \n between them
//	< TEXT      it expects a line; < * any
//	<.          it expects a mail up to its final dot; that of the mail whose turn it is
//	<# N        it expects N bytes: that mail as it is
//	!close !reset !hang !tls   it does that; !tls means TLS from here on
//	!next       the next connection
//	!wait D     it pauses
//	?           where testdata/stages puts each kind of misbehaviour in turn
//	@ KEY VALUE options: security, login, fallback, plaintext, chunking, nopipelining, lmtp, host, certnames,
//	            mails, overlap (no), body (several: one for each mail), from, to, ret, envid, notify, orcpt, returnpath,
//	            returnid, idle D, property NAME JSON,
//	            priority N, by D MODE [trace], together (all go in one transaction)
//	= open STATE RESULT [CODE [STATUS]]       what Open fails with
//	= STATE RESULT [CODE [STATUS]] [unsent] [crowded]   the outcome of one mail after the other
//	~ TEXT      the description of the last outcome contains TEXT
//	= usable, = broken                        the connection afterwards
//	# a remark
type dialogue struct {
	name    string
	lines   []string
	options map[string][]string
	open    *outcome
	want    []outcome
	usable  string
}

type outcome struct {
	state, result, status, text string
	code                        int
	unsent, crowded             bool
}

func parseDialogue(t *testing.T, name, text string) *dialogue {
	d := &dialogue{name: name, options: map[string][]string{}}
	var last *outcome
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		key, rest, _ := strings.Cut(line, " ")
		switch key {
		case "", "#":
		case "@":
			k, v, _ := strings.Cut(rest, " ")
			d.options[k] = append(d.options[k], v)
		case "~":
			last.text = rest
		case "=":
			fields := strings.Fields(rest)
			switch fields[0] {
			case "usable", "broken":
				d.usable = fields[0]
			case "open":
				d.open = parseOutcome(t, fields[1:])
				last = d.open
			default:
				d.want = append(d.want, *parseOutcome(t, fields))
				last = &d.want[len(d.want)-1]
			}
		case ">", "<", "<.", "<#", "?", "!close", "!reset", "!hang", "!tls", "!next", "!wait":
			d.lines = append(d.lines, line)
		default:
			t.Fatalf("%s: unknown line %q", name, line)
		}
	}
	return d
}

func parseOutcome(t *testing.T, fields []string) *outcome {
	require.GreaterOrEqual(t, len(fields), 2)
	o := &outcome{state: fields[0], result: fields[1]}
	for _, f := range fields[2:] {
		switch {
		case f == "unsent":
			o.unsent = true
		case f == "crowded":
			o.crowded = true
		case strings.Contains(f, "."):
			o.status = f
		default:
			code, err := strconv.Atoi(f)
			require.NoError(t, err)
			o.code = code
		}
	}
	return o
}

func (d *dialogue) option(key string) string {
	if v := d.options[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// bodies are the mails that dialogues name.
var bodies = map[string]string{
	"":                   "Subject: hello\r\n\r\nHello\r\n",
	"dots":               ".Subject: dots\r\n\r\n.\r\n..\r\n...x\r\nend\r\n",
	"unended":            "Subject: hello\r\n\r\nno line end",
	"empty":              "",
	"8bit":               "Subject: accent\r\n\r\ncaf\xc3\xa9\r\n",
	"binary":             "Subject: bin\r\n\r\na\x00b\nc\rd",
	"smuggle":            "Subject: x\r\n\r\n\n.\n\r.\r\r\n\n.\r\nMAIL FROM:<evil@example.org>\r\n",
	"signed 8bit":        "DKIM-Signature: v=1; d=x\r\n\r\ncaf\xc3\xa9\r\n",
	"signed 8bit header": "DKIM-Signature: v=1; d=x\r\nSubject: caf\xc3\xa9\r\n\r\ncoffee\r\n",
	"signed lone":        "DKIM-Signature: v=1; d=x\r\n\r\none\ntwo\r\ns\r\n",
	"utf8 header":        "From: José <josé@exämple.com>\r\nSubject: café\r\n\r\ncoffee\r\n",
	"utf8 names": "From: José Ä <joe@exämple.com>\r\nTo: \"a, é\" <to@example.org>, b@example.org\r\n" +
		"Subject: café and\r\n more\r\nReceived: from a\r\n\tfor <é@x.y>\r\n" +
		"Content-Disposition: attachment; filename=\"ü.txt\"\r\nX-Plain: as it is\r\n\r\ncoffee\r\n",
	"utf8 signed": "DKIM-Signature: v=1; d=x\r\nSubject: café\r\n\r\ncoffee\r\n",
	"utf8 id":     "Message-Id: <é@x>\r\n\r\ncoffee\r\n",
	"binary parts": "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
		"--b\r\n\r\ntext\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\ncafé\r\n" +
		"--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\n\r\xff\r\n--b--\r\n",
	"broken parts": "Content-Type: multipart/mixed\r\n\r\n\x00\r\n",
	"encrypted":    "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\n\x00\r\n--b--\r\n",
	"longline":     "Subject: long\r\n\r\n" + strings.Repeat("x", 999) + "\r\n",
	"large":        "Subject: large\r\n\r\n" + strings.Repeat(strings.Repeat("0123456789", 7)+"\r\n", 4000),
}

// onWire is what a remote must get of a body, dots removed.
var onWire = map[string]string{
	"binary parts": "Content-Type: multipart/mixed; boundary=b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" +
		"--b\r\n\r\ntext\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		"caf=C3=A9\r\n--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\nAAoN/w==\r\n\r\n--b--\r\n",
	"utf8 names": "From: =?utf-8?q?Jos=C3=A9_=C3=84?= <joe@xn--exmple-cua.com>\r\n" +
		"To: =?utf-8?b?YSwgw6k=?= <to@example.org>, <b@example.org>\r\n" +
		"Subject: =?utf-8?q?caf=C3=A9_and_more?=\r\nReceived: from a\tfor <?@x.y>\r\n" +
		"Content-Disposition: attachment; filename*=utf-8''%C3%BC.txt\r\nX-Plain: as it is\r\n\r\ncoffee\r\n",
	"unended": bodies["unended"] + "\r\n",
	"smuggle": "Subject: x\r\n\r\n\r\n.\r\n\r\n.\r\n\r\n\r\n.\r\nMAIL FROM:<evil@example.org>\r\n",
}

// play runs a dialogue in synthetic time and checks what comes of it.
func (d *dialogue) play(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		remote := &scripted{t: t, d: d, over: make(chan struct{})}
		sender := &smtpout.Sender{
			Dial:          remote.dial,
			TLS:           trusting(t),
			ClearFallback: d.option("fallback") != "", AllowPlaintextAuth: d.option("plaintext") != "",
			Chunking: d.option("chunking") != "", NoPipelining: d.option("nopipelining") != "",
			LMTP: d.option("lmtp") != "",
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		defer remote.end()
		defer func() {
			if t.Failed() {
				t.Log("the remote met with:", remote.trouble())
			}
		}()
		conn, err := sender.Open(ctx, d.hop(remote))
		if d.open != nil {
			var failure *delivery.Failure
			require.ErrorAs(t, err, &failure)
			d.open.check(t, &failure.Result)
			require.Equal(t, 1, failure.Result.Messages, "the mail that was to go")
			require.Zero(t, failure.Result.Sent.Data)
			return
		}
		require.NoError(t, err)
		defer conn.Close()
		txs := d.transactions()
		if d.option("together") != "" {
			txs[0].With = txs[1:]
			for _, tx := range txs[1:] {
				tx.Body = txs[0].Body
			}
		}
		for i, tx := range txs {
			var next *delivery.Transaction
			if i+1 < len(txs) && d.option("overlap") != "no" {
				next = txs[i+1]
			}
			if pause := d.option("idle"); i > 0 && pause != "" {
				idle, stop := context.WithTimeout(ctx, duration(t, pause))
				conn.Idle(idle)
				stop()
			}
			remote.turn(tx)
			if len(txs[0].With) == 0 || i == 0 {
				conn.Deliver(ctx, tx, next)
			}
			require.Less(t, i, len(d.want), "more outcomes than expected")
			d.want[i].check(t, &tx.Result)
			require.Equal(t, d.want[i].unsent, tx.Unsent, "unsent")
			require.Equal(t, d.want[i].crowded, tx.Crowded, "crowded")
			require.Equal(t, sender.LMTP && d.want[i].result == "accepted" && !tx.Result.DSN, tx.Delivered, "delivered")
		}
		if d.usable != "" {
			require.Equal(t, d.usable == "usable", conn.Usable(), "usable")
		}
		require.Empty(t, remote.trouble())
	})
}

func (o *outcome) check(t *testing.T, r *queue.Result) {
	t.Helper()
	got := fmt.Sprintf("%s %s %d %s", r.State, r.Result, r.Code, r.Status)
	want := fmt.Sprintf("%s %s %d %s", o.state, o.result, o.code, o.status)
	require.Equal(t, want, got, "description: %s", r.Description)
	require.Contains(t, r.Description, o.text)
	require.False(t, r.Time.IsZero())
}

func duration(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

func (d *dialogue) hop(remote *scripted) *delivery.Hop {
	hop := &delivery.Hop{
		Target:   netip.MustParseAddrPort("192.0.2.25:25"),
		Host:     "mx.example.org",
		Domain:   "example.org",
		Hostname: "client.example.com",
		Security: queue.Security(d.option("security")),
		Monitor:  remote,
	}
	if host := d.option("host"); host != "" {
		hop.Host = host
	}
	if names := d.option("certnames"); names != "" {
		hop.CertNames = strings.Fields(names)
	}
	if login := d.option("login"); login != "" {
		user, password, _ := strings.Cut(login, " ")
		hop.Credentials = &delivery.Credentials{Username: user, Password: password}
	}
	return hop
}

func (d *dialogue) transactions() []*delivery.Transaction {
	n, _ := strconv.Atoi(d.option("mails"))
	txs := make([]*delivery.Transaction, max(n, len(d.want)))
	for i := range txs {
		body := ""
		if names := d.options["body"]; len(names) > 0 {
			body = names[min(i, len(names)-1)]
		}
		txs[i] = &delivery.Transaction{
			Message: &queue.Message{Envelope: "from@example.com", Recipient: "to@example.org"},
			Body:    named{queue.Bytes(bodies[body]), body}, ReturnPath: d.option("returnpath"), EnvID: d.option("returnid"),
		}
		m := txs[i].Message
		if v, ok := d.options["from"]; ok {
			m.Envelope = v[min(i, len(v)-1)]
		}
		if v, ok := d.options["to"]; ok {
			m.Recipient = v[min(i, len(v)-1)]
		}
		m.Priority, _ = strconv.Atoi(d.option("priority"))
		if words := strings.Fields(d.option("by")); len(words) > 0 {
			in, _ := time.ParseDuration(words[0])
			m.DeliverBy = &queue.DeliverBy{Time: time.Now().Add(in), Mode: queue.DeliverByMode(words[1]), Trace: len(words) > 2}
		}
		for _, property := range d.options["property"] {
			name, value, _ := strings.Cut(property, " ")
			if m.Extra == nil {
				m.Extra = map[string]json.RawMessage{}
			}
			m.Extra[name] = json.RawMessage(value)
		}
		dsn := &queue.DSN{Ret: d.option("ret"), EnvID: d.option("envid"), ORcpt: d.option("orcpt"),
			Notify: strings.Fields(d.option("notify"))}
		if dsn.Ret+dsn.EnvID+dsn.ORcpt+d.option("notify") != "" {
			m.DSN = dsn
		}
	}
	return txs
}

// named is a body that knows what it is called.
type named struct {
	queue.Bytes
	name string
}

// scripted is the remote: it plays the lines of a dialogue. It is the monitor of the connection, too.
type scripted struct {
	t *testing.T
	d *dialogue

	mu      sync.Mutex
	at      int    // line
	due     string // name of the mail that must come next
	faults  []string
	said    bytes.Buffer // transcript
	strange []string
	conns   []*memConn
	over    chan struct{}
	running sync.WaitGroup
}

func (s *scripted) dial(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn, error) {
	client, server := newMemPipe(0)
	s.mu.Lock()
	s.conns = append(s.conns, client, server)
	s.mu.Unlock()
	s.running.Go(func() { s.serve(server) })
	return client, nil
}

// turn tells which mail must come next.
func (s *scripted) turn(tx *delivery.Transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = tx.Body.(named).name
}

func (s *scripted) serve(raw *memConn) {
	var nc net.Conn = raw
	r := bufio.NewReader(nc)
	for {
		line := s.next()
		key, rest, _ := strings.Cut(line, " ")
		var err error
		switch key {
		case ">":
			_, err = io.WriteString(nc, strings.ReplaceAll(rest, `\n`, "\r\n")+"\r\n")
		case "<":
			err = expectLine(r, rest)
		case "<.":
			err = s.expectMail(r)
		case "<#":
			err = s.expectBytes(r, rest)
		case "!close", "!next":
			nc.Close()
			return
		case "!reset":
			raw.reset()
			return
		case "!wait":
			d, _ := time.ParseDuration(rest)
			time.Sleep(d) // synthetic
		case "!tls":
			secured := serverTLS(s.t, nc)
			nc, r = secured, bufio.NewReader(secured)
		default: // hang, or the end
			io.Copy(io.Discard, r)
			nc.Close()
			return
		}
		if err != nil {
			s.fault(fmt.Sprintf("at %q: %v", line, err))
			nc.Close()
			return
		}
	}
}

func (s *scripted) next() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at >= len(s.d.lines) {
		return "!hang"
	}
	s.at++
	return s.d.lines[s.at-1]
}

func (s *scripted) fault(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, text)
}

func expectLine(r *bufio.Reader, want string) error {
	line, err := r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("after %q: %w", line, err)
	}
	if got := strings.TrimSuffix(line, "\r\n"); got != want && want != "*" {
		return fmt.Errorf("got %q", line)
	}
	return nil
}

func (s *scripted) expectMail(r *bufio.Reader) error {
	got, err := readMail(r)
	if err != nil {
		return err
	}
	want, ok := onWire[s.expected()]
	if !ok {
		want = bodies[s.expected()]
	}
	return compare(got, want)
}

// readMail reads up to the final dot as a strict server does: only CRLF ends a line.
func readMail(r *bufio.Reader) (string, error) {
	var mail strings.Builder
	fresh := true
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("in the mail, after %q: %w", line, err)
		}
		if fresh && line == ".\r\n" {
			return mail.String(), nil
		}
		if fresh {
			line = strings.TrimPrefix(line, ".")
		}
		mail.WriteString(line)
		fresh = strings.HasSuffix(line, "\r\n")
	}
}

func (s *scripted) expectBytes(r *bufio.Reader, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(r, p); err != nil {
		return err
	}
	return compare(string(p), bodies[s.expected()])
}

func (s *scripted) expected() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.due
}

func compare(got, want string) error {
	if got != want {
		return fmt.Errorf("got the mail %.200q, expected %.200q", got, want)
	}
	return nil
}

func (s *scripted) trouble() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// end closes every connection and waits for the remote's goroutines.
func (s *scripted) end() {
	s.mu.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *scripted) Observe(e *monitor.Event) {
	if e.Kind == monitor.Strange {
		s.strange = append(s.strange, e.Text)
	}
}

func (s *scripted) Tap(monitor.Session) monitor.Transcript { return s }
func (s *scripted) Watched() bool                          { return true }
func (s *scripted) Close()                                 {}
func (s *scripted) MailWanted() int                        { return 1 << 20 }

// Mail checks that those who watch are shown mails whole.
func (s *scripted) Mail(d monitor.Direction, begin []byte, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d != monitor.FromUs || int64(len(begin)) != min(size, 1<<20) ||
		!bytes.Contains(s.said.Bytes(), []byte(strconv.FormatInt(size, 10)+" bytes]")) {
		s.faults = append(s.faults, fmt.Sprintf("watchers were shown %d bytes of a mail of %d", len(begin), size))
	}
}

func (s *scripted) Line(_ monitor.Direction, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said.Write(data)
}

func TestDialogues(t *testing.T) {
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			parseDialogue(t, name, string(text)).play(t)
		})
	}
}

// misbehaviours are what a remote can do at any stage, and what must come of it.
var misbehaviours = []struct {
	name   string
	lines  []string
	result string
	code   int
	status string
	text   string
	goesOn bool // the dialogue goes on
}{
	{"refuses for now", []string{"> 451 4.3.0 not now"}, "error", 451, "4.3.0", "not now", true},
	{"refuses for good", []string{"> 550 5.3.0 never"}, "error", 550, "5.3.0", "never", true},
	{"refuses in several lines", []string{"> 550-5.3.0 never,", "> 550-", "> 550 5.3.0 ever"}, "error", 550, "5.3.0",
		"never, ever", true},
	{"says farewell", []string{"> 421 4.3.2 going down", "!close"}, "error", 421, "4.3.2", "going down", false},
	{"says farewell and stays", []string{"> 421 4.3.2 going down", "!hang"}, "error", 421, "4.3.2", "going down", false},
	{"hangs", []string{"!hang"}, "timeout", 0, "", "", false},
	{"hangs within its reply", []string{"> 250-well", "!hang"}, "timeout", 0, "", "", false},
	{"closes", []string{"!close"}, "lost", 0, "", "", false},
	{"closes within its reply", []string{"> 250-well", "!close"}, "lost", 0, "", "", false},
	{"resets", []string{"!reset"}, "lost", 0, "", "", false},
	{"talks nonsense", []string{"> what do you want?", "!hang"}, "invalid", 0, "", "what do you want?", false},
	{"never ends its line", []string{"> 250-" + strings.Repeat("x", 100_000), "!hang"}, "invalid", 0, "", "", false},
	{"answers out of place", []string{"> 399 come again", "!hang"}, "invalid", 399, "", "come again", false},
}

// TestStages puts every misbehaviour at the place of "?" in each file. The file's last outcome but those of later mails
// tells the state only.
func TestStages(t *testing.T) {
	files, err := filepath.Glob("testdata/stages/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, b := range misbehaviours {
			name := strings.TrimSuffix(filepath.Base(file), ".txt")
			t.Run(name+"/"+b.name, func(t *testing.T) {
				d := parseDialogue(t, name, string(text))
				d.misbehave(b.lines, b.goesOn)
				o := d.open
				if o == nil {
					o = &d.want[0]
					d.usable = map[bool]string{true: "usable", false: "broken"}[b.goesOn]
					if !b.goesOn {
						d.forsake(1)
					}
				}
				o.result, o.code, o.status, o.text = b.result, b.code, b.status, b.text
				d.play(t)
			})
		}
	}
}

// misbehave puts lines in place of "?", and ends the dialogue there unless it goes on.
func (d *dialogue) misbehave(lines []string, goesOn bool) {
	for i, line := range d.lines {
		if line == "?" {
			rest := d.lines[i+1:]
			d.lines = append(append([]string{}, d.lines[:i]...), lines...)
			if goesOn {
				d.lines = append(d.lines, rest...)
			}
			return
		}
	}
}

// forsake expects all mails from i on to be unsent.
func (d *dialogue) forsake(i int) {
	for ; i < len(d.want); i++ {
		d.want[i] = outcome{state: "idle", result: "lost", unsent: true}
	}
}
