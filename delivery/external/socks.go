package external

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
)

// Of SOCKS 5, RFC 1928 §3 to §6.
const (
	socksVersion  = 5
	socksConnects = 1 // the command CONNECT
	socksIPv4     = 1
	socksDomain   = 3
	socksIPv6     = 4
	socksNoLogin  = 0
	socksNoMethod = 0xff
)

// socksReplies are the answers that are not success, RFC 1928 §6.
var socksReplies = [...]refusal{
	1: {"general failure", "4.4.1", true},
	2: {"not allowed by its rules", "4.7.0", true},
	3: {"network unreachable", "4.4.1", true},
	4: {"host unreachable", "4.4.1", true},
	5: {"connection refused by the target", "4.4.1", true},
	6: {"time to live expired", "4.4.1", true},
	7: {"it does not know the command CONNECT", "4.3.5", false},
	8: {"it does not know this type of address", "4.3.5", true},
}

// socksConnect asks for target and returns when the proxy has connected. Nothing is read beyond its answer.
func socksConnect(rw io.ReadWriter, target netip.AddrPort) error {
	if _, err := rw.Write([]byte{socksVersion, 1, socksNoLogin}); err != nil {
		return err
	}
	var method [2]byte
	if err := readFull(rw, method[:]); err != nil {
		return err
	}
	switch {
	case method[0] != socksVersion:
		return fmt.Errorf("%w: version %d", errNonsense, method[0])
	case method[1] == socksNoMethod:
		return &refusal{text: "it wants a login", status: "4.7.0"}
	case method[1] != socksNoLogin:
		return fmt.Errorf("%w: method %d, which was not offered", errNonsense, method[1])
	}
	if _, err := rw.Write(socksRequest(target)); err != nil {
		return err
	}
	return readSocksReply(rw)
}

func socksRequest(target netip.AddrPort) []byte {
	request := append(make([]byte, 0, 22), socksVersion, socksConnects, 0)
	if addr := target.Addr().Unmap(); addr.Is4() {
		request = append(request, socksIPv4)
		request = append(request, addr.AsSlice()...)
	} else {
		request = append(request, socksIPv6)
		request = append(request, addr.AsSlice()...)
	}
	return binary.BigEndian.AppendUint16(request, target.Port())
}

// readSocksReply reads the answer to a request, RFC 1928 §6, with the address that nobody needs. An answer that refuses
// may end before it.
func readSocksReply(r io.Reader) error {
	var head [4]byte // version, reply, reserved, type of address
	if err := readFull(r, head[:]); err != nil {
		return err
	}
	if head[0] != socksVersion {
		return fmt.Errorf("%w: version %d", errNonsense, head[0])
	}
	if reply := int(head[1]); reply != 0 {
		if reply >= len(socksReplies) {
			return &refusal{text: fmt.Sprintf("it answered %d", reply), status: "4.4.1", elsewhere: true}
		}
		answer := socksReplies[reply]
		answer.text = fmt.Sprintf("%s (%d)", answer.text, reply)
		return &answer
	}
	var rest [256 + 2]byte // the longest address is a name
	length := 0
	switch head[3] {
	case socksIPv4:
		length = net.IPv4len
	case socksIPv6:
		length = net.IPv6len
	case socksDomain:
		if err := readFull(r, rest[:1]); err != nil {
			return err
		}
		length = int(rest[0])
	default:
		return fmt.Errorf("%w: an address of type %d", errNonsense, head[3])
	}
	return readFull(r, rest[:length+2])
}

var errHalf = errors.New("it closed the connection before it had answered")

func readFull(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errHalf
	}
	return err
}
