package api

import (
	"io"
	"math"
	"net/http"
	"time"

	"github.com/sluicemail/sluice/console/admin"
	"github.com/sluicemail/sluice/internal/readfault"
	"github.com/sluicemail/sluice/queue"
)

// mailRoutes are those about what waits.
func mailRoutes() []*route {
	return []*route{
		{method: http.MethodPost, path: "/v1/inject",
			summary: "put a message, or an array of them, into the inbox: all or none",
			raw:     true, body: schema{"oneOf": []any{schema{"type": "object", "required": []string{"recipient"}},
				schema{"type": "array", "minItems": 1, "maxItems": admin.MostInjected,
					"items": schema{"type": "object", "required": []string{"recipient"}}}}},
			headers: []admin.Field{{Name: idempotencyKey, Type: admin.Text, Meaning: "of requests with the same key and body " +
				"one injects, and all get the same answer; remembered for each token, a day unless the configuration says otherwise"}},
			answer: object(map[string]any{"ids": arrayOf(textSchema("message-id"))}),
			errors: []int{http.StatusUnprocessableEntity, http.StatusNotImplemented}, do: inject},
		{method: http.MethodGet, path: "/v1/queues", summary: "what is in each queue", answer: arrayOf(queueSchema()),
			errors: []int{http.StatusNotImplemented}, do: func(c *call) (any, error) {
				all, err := c.admin.Queues(c.request.Context())
				if err != nil {
					return nil, err
				}
				out := make([]queueState, len(all))
				for i, q := range all {
					out[i] = queueState(q)
				}
				return out, nil
			}},
		{method: http.MethodGet, path: "/v1/messages", summary: "messages that wait, the oldest first",
			fields: append(filterFields(), pageFields()...), answer: object(map[string]any{"messages": arrayOf(entrySchema()),
				"next": textSchema("cursor of the next page; absent: this was the last")}),
			errors: []int{http.StatusNotImplemented}, do: listMessages},
		{method: http.MethodGet, path: "/v1/messages/{id}",
			summary: "one message without its mail and secrets, and why it has not left",
			answer:  object(map[string]any{"entry": entrySchema(), "message": object(nil), "why": whySchema()}),
			errors:  []int{http.StatusNotFound, http.StatusNotImplemented}, do: oneMessage},
		actionRoute(admin.Move, "move messages into another queue",
			admin.Field{Name: "to", Type: admin.Text, Required: true, Meaning: "name of the queue"}),
		actionRoute(admin.Drop, "remove messages, without any result"),
		actionRoute(admin.Retry, "try messages now that are deferred or parked"),
	}
}

type queueState struct {
	Queue   string `json:"queue"`
	Ready   int    `json:"ready"`
	Delayed int    `json:"delayed"`
	Parked  int    `json:"parked"`
	Out     int    `json:"out"`
	Bytes   int64  `json:"bytes"`
}

func queueSchema() schema {
	return object(map[string]any{"queue": textSchema("name"), "ready": numberSchema("due, waiting to be picked up"),
		"delayed": numberSchema("waiting for their time"), "parked": numberSchema("set aside"),
		"out": numberSchema("with the delivery engine"), "bytes": numberSchema("size of all mails")})
}

// idempotencyKey names the header that makes an injection repeatable (draft-ietf-httpapi-idempotency-key-header).
const idempotencyKey = "Idempotency-Key"

// traceParent names the header that says which trace a request belongs to (W3C Trace Context).
const traceParent = "Traceparent"

// inject reads a message or an array of them.
func inject(c *call) (any, error) {
	body := &readfault.Reader{Reader: c.request.Body}
	ids, err := c.inject(body)
	if body.Err != nil {
		return nil, bodyError(body.Err)
	}
	if err != nil {
		return nil, err
	}
	return map[string][]string{"ids": ids}, nil
}

func (c *call) inject(body io.Reader) ([]string, error) {
	ctx := admin.Traced(c.request.Context(), c.request.Header.Get(traceParent))
	switch keys := c.request.Header.Values(idempotencyKey); len(keys) {
	case 0:
		return c.admin.Inject(ctx, body)
	case 1:
		return c.admin.InjectOnce(ctx, keys[0], body)
	}
	return nil, &problem{status: http.StatusBadRequest, reason: "there are several headers " + idempotencyKey + "; expected one"}
}

// filterFields select messages.
func filterFields() []admin.Field {
	return []admin.Field{
		{Name: "queue", Type: admin.Text, Meaning: "name of the queue"},
		{Name: "id", Type: admin.Text, Meaning: "message-id"},
		{Name: "domain", Type: admin.Text, Meaning: "recipient domain"},
		{Name: "sender", Type: admin.Text, Meaning: "sender address"},
		{Name: "recipient", Type: admin.Text, Meaning: "recipient address"},
		{Name: "tag", Type: admin.Text, Meaning: "one of the tags"},
		{Name: "state", Type: admin.Choice, Choices: []string{"ready", "delayed", "parked", "out"}, Meaning: "where it is"},
		{Name: "older-than", Type: admin.Age, Meaning: "since it was stored"},
		{Name: "newer-than", Type: admin.Age, Meaning: "since it was stored"},
		{Name: "text", Type: admin.Text, Meaning: "part of sender, recipient, message-id or a tag"},
	}
}

func pageFields() []admin.Field {
	return []admin.Field{
		{Name: "limit", Type: admin.Integer, Min: 1, Max: 10_000, Default: int64(100), Meaning: "messages on a page"},
		{Name: "cursor", Type: admin.Text, Meaning: "where the page begins: next of the page before"},
	}
}

// filter makes a filter of the fields.
func (c *call) filter() (queue.Filter, error) {
	text := func(name string) string { s, _ := c.values[name].(string); return s }
	age := func(name string) time.Duration { d, _ := c.values[name].(time.Duration); return d }
	state, err := admin.ParseState(text("state"))
	return queue.Filter{
		Queue: text("queue"), ID: text("id"), Domain: text("domain"), Envelope: text("sender"), Recipient: text("recipient"),
		Tag: text("tag"), State: state, OlderThan: age("older-than"), NewerThan: age("newer-than"), Text: text("text"),
	}, err
}

// entry is a line of a listing.
type entry struct {
	ID        string    `json:"id"`
	Queue     string    `json:"queue"`
	State     string    `json:"state"`
	Sender    string    `json:"sender"`
	Recipient string    `json:"recipient"`
	Tags      []string  `json:"tags,omitempty"`
	Size      int64     `json:"size"`
	Attempts  int       `json:"attempts"`
	Stored    time.Time `json:"stored"`
	Due       time.Time `json:"due,omitzero"`
	Parked    string    `json:"parked,omitempty"`
}

func entryOf(e *queue.Entry) entry {
	return entry{e.ID, e.Queue, e.State.String(), e.Envelope, e.Recipient, e.Tags, e.Size, e.Attempts, e.Stored.UTC(),
		e.Due, e.Parked}
}

func entrySchema() schema {
	return object(map[string]any{"id": textSchema("message-id"), "queue": textSchema("its queue"),
		"state":     schema{"type": "string", "enum": []string{"ready", "delayed", "parked", "out"}},
		"sender":    textSchema("sender address"),
		"recipient": textSchema("recipient address"), "tags": arrayOf(textSchema("tag")),
		"size":     numberSchema("of the mail, in bytes"),
		"attempts": numberSchema("so far"), "stored": textSchema("when it came"),
		"due": textSchema("not before; absent: now"), "parked": textSchema("what it is parked by")})
}

func whySchema() schema {
	return object(map[string]any{"where": schema{"type": "string",
		"description": "queue, memory, lookup, parked, deferred or sending"},
		"cause": textSchema("kind of reason"), "ahead": numberSchema("messages that go before it"),
		"reason": textSchema("for people"), "limit": textSchema("limit or rule that holds it"),
		"rule":   textSchema("where that comes from"),
		"source": textSchema("source address"), "site": textSchema("target site"),
		"since": textSchema("when it began to wait"),
		"next":  textSchema("when it is tried again"), "attempts": numberSchema("so far"),
		"last-answer": textSchema("to the last attempt")})
}

func listMessages(c *call) (any, error) {
	f, err := c.filter()
	if err != nil {
		return nil, err
	}
	limit, _ := c.values["limit"].(int64)
	cursor, _ := c.values["cursor"].(string)
	entries, next, err := c.admin.Messages(c.request.Context(), f, cursor, int(min(limit, math.MaxInt32)))
	if err != nil {
		return nil, err
	}
	list := make([]entry, len(entries))
	for i := range entries {
		list[i] = entryOf(&entries[i])
	}
	out := map[string]any{"messages": list}
	if next != "" {
		out["next"] = next
	}
	return out, nil
}

func oneMessage(c *call) (any, error) {
	m, err := c.admin.Message(c.request.Context(), c.parameters["id"])
	if err != nil {
		return nil, err
	}
	return map[string]any{"entry": entryOf(&m.Entry), "message": m.Record, "why": m.Why}, nil
}

// actionRoute does something to messages.
func actionRoute(action admin.Action, summary string, more ...admin.Field) *route {
	fields := append(filterFields(), more...)
	fields = append(fields, admin.Field{Name: "all", Type: admin.Boolean, Default: false,
		Meaning: "true: without any condition, all messages are meant"},
		admin.Field{Name: "dry-run", Type: admin.Boolean, Default: false,
			Meaning: "true: only say how many messages there would be"})
	return &route{method: http.MethodPost, path: "/v1/messages/" + string(action), summary: summary, fields: fields,
		answer: object(map[string]any{"messages": numberSchema("concerned"),
			"dry-run": flagSchema("true: nothing was done")}), errors: []int{http.StatusNotImplemented},
		do: func(c *call) (any, error) {
			f, err := c.filter()
			if err != nil {
				return nil, err
			}
			if f == (queue.Filter{}) && c.values["all"] != true {
				return nil, admin.Wrong("all", nil, "a condition, or all=true to mean every message")
			}
			to, _ := c.values["to"].(string)
			dry := c.values["dry-run"] == true
			n, err := c.admin.Act(c.request.Context(), action, f, to, dry)
			return map[string]any{"messages": n, "dry-run": dry}, err
		}}
}
