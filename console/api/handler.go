package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicemail/sluice/console/admin"
)

// Handler serves the REST API below /v1/. Admin must be set; set all fields before use.
type Handler struct {
	Admin *admin.Admin
	// MaxInject is the largest body of an injection in bytes; all that are under way may have four times as much
	// together. Zero: 64 MiB; negative: unlimited.
	MaxInject int64
	// Client returns where a request comes from, when it is not the other end of the connection. Nil: that.
	Client func(*http.Request) netip.AddrPort
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Patience is how long a request that reads may take until it is answered 503; a request that changes something may
	// take three times as long, and a list may be sent for ten minutes. Zero: 20 s.
	Patience time.Duration

	once   sync.Once
	routes *routes
	guard  guard
	bodies atomic.Int64 // bytes of injections that are being read and published
}

const (
	maxBody          = 1 << 20
	defaultMaxInject = 64 << 20
)

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.once.Do(func() { h.routes = newRoutes(h.Admin) })
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	remote := h.remote(r)
	name, err := h.authenticate(r, remote)
	if err != nil {
		h.refuse(w, err)
		return
	}
	route, parameters, allowed := h.routes.find(r.Method, r.URL.EscapedPath())
	switch {
	case route == nil && allowed == "":
		h.refuse(w, &problem{status: http.StatusNotFound, reason: "there is nothing at " + r.URL.Path})
		return
	case route == nil:
		header.Set("Allow", allowed)
		h.refuse(w, &problem{status: http.StatusMethodNotAllowed,
			reason: fmt.Sprintf("%s does not take %s; it takes %s", r.URL.Path, r.Method, allowed)})
		return
	}
	ctx, cancel := context.WithCancelCause(admin.As(r.Context(), admin.Actor{Name: name, Via: "rest", Remote: remote}))
	defer cancel(nil)
	late := h.deadline(r.Method)
	timer := time.AfterFunc(late, func() { cancel(tooLate(late)) })
	defer timer.Stop()
	c := &call{handler: h, admin: h.Admin, request: r.WithContext(ctx), parameters: parameters, header: header}
	answer, err := h.run(w, route, c)
	if err != nil {
		if reason, ok := errors.AsType[*problem](context.Cause(ctx)); ok &&
			(errors.Is(err, context.Canceled) || !errors.Is(err, admin.ErrUnavailable)) {
			err = reason
		}
		h.refuse(w, err)
		return
	}
	if _, ok := answer.(stream); ok {
		timer.Reset(streamTime)
	}
	h.write(w, c, answer)
}

const (
	defaultPatience = 20 * time.Second
	streamTime      = 10 * time.Minute
)

// deadline is how long a request may take.
func (h *Handler) deadline(method string) time.Duration {
	d := cmp.Or(h.Patience, defaultPatience)
	if method != http.MethodGet {
		d *= 3
	}
	return d
}

func tooLate(after time.Duration) *problem {
	return &problem{status: http.StatusServiceUnavailable, retry: 5 * time.Second,
		reason: fmt.Sprintf("there was no answer within %v", after)}
}

// run reads what was sent along and calls the route.
func (h *Handler) run(w http.ResponseWriter, route *route, c *call) (any, error) {
	limit := int64(maxBody)
	if route.raw {
		limit = h.maxInject()
	}
	if limit >= 0 {
		if c.request.ContentLength > limit {
			return nil, tooLarge(limit)
		}
		c.request.Body = http.MaxBytesReader(w, c.request.Body, limit)
	}
	if route.raw && limit >= 0 {
		need := limit
		if n := c.request.ContentLength; n >= 0 {
			need = n
		}
		defer h.bodies.Add(-need)
		if h.bodies.Add(need) > bodiesTogether*limit {
			return nil, &problem{status: http.StatusServiceUnavailable, retry: time.Second,
				reason: "too much is being injected at the same time; try again in a moment"}
		}
	}
	if err := c.read(route); err != nil {
		return nil, err
	}
	return route.do(c)
}

// bodiesTogether is how many of the largest injections may be in memory at the same time, or as much in smaller ones.
const bodiesTogether = 4

func (h *Handler) maxInject() int64 {
	if h.MaxInject == 0 {
		return defaultMaxInject
	}
	return h.MaxInject
}

func (h *Handler) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

// remote returns where a request comes from.
func (h *Handler) remote(r *http.Request) netip.AddrPort {
	if h.Client != nil {
		return h.Client(r)
	}
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	if !from.IsValid() { // a host without a port, or a path
		if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
			ip, _ := netip.ParseAddr(host)
			from = netip.AddrPortFrom(ip, 0)
		}
	}
	return netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port())
}

// errNoToken is about a request without one.
const noToken = "this needs the header Authorization: Bearer TOKEN"

// authenticate returns the name of the token that came along.
func (h *Handler) authenticate(r *http.Request, remote netip.AddrPort) (string, error) {
	given := r.Header.Values("Authorization")
	if len(given) != 1 {
		return "", &problem{status: http.StatusUnauthorized, reason: noToken}
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "bearer") || token == "" {
		return "", &problem{status: http.StatusUnauthorized, reason: noToken}
	}
	const longest = 1024
	if len(token) > longest {
		token = ""
	}
	now := h.now()
	if wait := h.guard.blocked(remote.Addr(), token, now); wait > 0 {
		return "", &problem{status: http.StatusTooManyRequests, retry: wait,
			reason: "too many wrong tokens came from this address; wait a little"}
	}
	name, ok := h.Admin.CheckToken(r.Context(), token)
	h.guard.note(remote.Addr(), token, ok, now)
	if !ok {
		return "", &problem{status: http.StatusUnauthorized, reason: "this token is not valid"}
	}
	return name, nil
}

// problem is an error with its status.
type problem struct {
	status   int
	reason   string
	retry    time.Duration
	problems []admin.Problem
}

func (p *problem) Error() string { return p.reason }

func tooLarge(limit int64) *problem {
	return &problem{status: http.StatusRequestEntityTooLarge,
		reason: fmt.Sprintf("the body is larger than %d bytes", limit)}
}

// asProblem gives every error its status.
func asProblem(err error) *problem {
	var (
		known    *problem
		wrong    *admin.Invalid
		conflict *admin.Conflict
		large    *http.MaxBytesError
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &large):
		return tooLarge(large.Limit)
	case errors.As(err, &wrong):
		return &problem{status: http.StatusBadRequest, reason: wrong.Error(), problems: wrong.Problems}
	case errors.As(err, &conflict):
		return &problem{status: http.StatusConflict, reason: conflict.Error()}
	case errors.Is(err, admin.ErrNotFound):
		return &problem{status: http.StatusNotFound, reason: err.Error()}
	case errors.Is(err, admin.ErrKeyUsed):
		return &problem{status: http.StatusUnprocessableEntity, reason: err.Error()}
	case errors.Is(err, admin.ErrTooLarge):
		return &problem{status: http.StatusRequestEntityTooLarge, reason: err.Error()}
	case errors.Is(err, admin.ErrUnsupported):
		return &problem{status: http.StatusNotImplemented, reason: err.Error()}
	case errors.Is(err, admin.ErrUnavailable):
		return &problem{status: http.StatusServiceUnavailable, reason: err.Error(), retry: 5 * time.Second}
	}
	return &problem{status: http.StatusInternalServerError, reason: "this failed: " + err.Error()}
}
