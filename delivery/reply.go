package delivery

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/sluicemail/sluice/queue"
)

// is returns what a rule says, or what holds without one.
func is(rule *bool, otherwise bool) bool {
	if rule != nil {
		return *rule
	}
	return otherwise
}

// rules reports whether a decision says what becomes of the message, so that the attempt counts whatever it was.
func (d *Decision) rules() bool {
	return d.Fail != nil || d.Delay > 0 || d.Fatal != nil || d.Individual != nil && *d.Individual ||
		d.Greylisted != nil || d.Fallback != nil
}

// judgement is what becomes of a message after an attempt.
type judgement uint8

const (
	succeeded judgement = iota
	failed
	tryAgain   // after the next of the intervals
	greylisted // to be tried again after the delay for greylisting
	delayed    // to be tried again after the delay of the decision
)

// judge says what becomes of a message whose attempt ended so, as the reply and the rules have it. sent says that the
// remote accepted it, which a rule can only report as a failure. A refusal of a rule changes the result.
func judge(d *Decision, result *queue.Result, sent bool) judgement {
	switch {
	case d.Fail != nil:
		d.Fail.replace(result)
		return failed
	case sent, result.Success(): // says the rule
		return succeeded
	case d.Delay > 0 && !is(d.Fatal, false):
		return delayed
	case is(d.Fatal, !temporary(result) && !is(d.Greylisted, false)):
		return failed
	case is(d.Greylisted, greylisting(result)):
		return greylisted
	}
	return tryAgain
}

// final reports whether a rule ends the message, whatever the reply says.
func (d *Decision) final() bool { return d.Fail != nil || is(d.Fatal, false) }

// replace has a result say what a rule says instead of the remote, as far as it says something.
func (r *Refusal) replace(result *queue.Result) {
	result.Result = queue.Error
	result.Code = cmp.Or(r.Code, result.Code)
	result.Status = cmp.Or(r.Status, result.Status)
	result.Description = cmp.Or(r.Description, result.Description)
	result.Class = cmp.Or(result.Class, queue.ClassRefusedHere)
}

// broke reports whether an attempt ended so because of the way to the remote: it counts against the path, unless
// a mail was answered over the connection before.
func broke(said *queue.Result) bool {
	return said.State != queue.StateStorage &&
		(said.Code == 421 || said.Result == queue.Lost || said.Result == queue.Timeout)
}

// temporary reports whether an attempt that ends so may be repeated.
func temporary(r *queue.Result) bool {
	return r.State != queue.StateProcess && (r.Code < 500 || ofPath(r.State))
}

// ofPath tells the states in which a permanent refusal says nothing about the message, which the remote has not seen:
// the message is tried again until it expires. The remote may be set up again, or take us from its list; an operator
// may mend a password or a certificate.
func ofPath(state queue.ResultState) bool {
	switch state {
	case queue.StateBind, queue.StateIntro, queue.StateEHLO, queue.StateHELO, queue.StateStartTLS, queue.StateAuthPlain,
		queue.StateAuthLogin, queue.StateAuthUsername, queue.StateAuthPassword, queue.StateAuthCRAM, queue.StateAuthResponse:
		return true
	}
	return false
}

// answered reports whether a reply is one to a mail, whatever it says: the way to the remote works then, and the remote
// does.
func answered(said *queue.Result) bool {
	return said.Code != 0 && said.Code != 421 && said.Result != queue.Invalid && said.State != queue.StateStorage
}

// greylisting reports whether a reply is greylisting: a temporary one before the mail was taken, of that class.
func greylisting(r *queue.Result) bool {
	if r.Class != queue.ClassGreylisted || r.Code < 400 || r.Code >= 500 || r.Code == 421 {
		return false
	}
	switch r.State {
	case queue.StateRcptTo, queue.StateData, queue.StateMailFrom, queue.StateMessage:
		return true
	}
	return false
}

// oneLine returns a reply as throttles expect it.
func oneLine(text string) string {
	if strings.IndexByte(text, '\n') < 0 {
		return text
	}
	return strings.ReplaceAll(text, "\n", " ")
}

// ownCode returns a code and a status that fit a connection that was not made, or not secured, when no remote gave one.
func ownCode(r *queue.Result) (code int, status string) {
	switch r.State {
	case queue.StateConnect, queue.StateHandshake:
		return 451, "4.4.1"
	case queue.StateDNS:
		return 451, "4.4.3"
	case queue.StateBind:
		return 451, "4.3.5"
	case queue.StateStartTLS, queue.StateAuthPlain, queue.StateAuthLogin, queue.StateAuthUsername,
		queue.StateAuthPassword, queue.StateAuthCRAM, queue.StateAuthResponse:
		return 454, "4.7.0"
	}
	return 0, ""
}

// routeResult is the result of an attempt that found no route.
func routeResult(err error) queue.Result {
	r := queue.Result{State: queue.StateDNS, Result: queue.Error, Code: 451, Status: "4.4.3", Description: err.Error()}
	var route *RouteError
	if errors.As(err, &route) {
		r.Code, r.Status, r.Description = route.Code, route.Status, route.Error()
		if !route.Permanent && r.Code >= 500 {
			r.Code = 451
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		r.Result = queue.Timeout
	}
	return r
}

func asFailure(err error) *Failure {
	var failure *Failure
	if errors.As(err, &failure) {
		return failure
	}
	return &Failure{
		Result:    queue.Result{State: queue.StateConnect, Result: queue.Error, Description: err.Error()},
		Temporary: true,
		Cause:     err,
	}
}

func reason(r *queue.Result) string {
	return string(r.State) + " " + string(r.Result) + ": " + r.Description
}

// avoids reports whether an address is among the addresses that are left out.
func avoids(avoid string, addr netip.Addr) bool {
	return avoid != "" && strings.Contains(" "+avoid, " "+addr.String()+" ")
}

// maxFallbacks is how many addresses a message is tried at, at most, before the attempt counts.
const maxFallbacks = maxTargets

// before returns the address that the last attempt left from.
func before(m *queue.Message) (netip.Addr, bool) {
	if len(m.Results) == 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(m.Results[len(m.Results)-1].From)
	return a.Unmap(), err == nil
}

// One round of connecting asks for the addresses of so many hosts, and tries so many addresses.
const (
	maxHosts   = 20
	maxTargets = 8
)
