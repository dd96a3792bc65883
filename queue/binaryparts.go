package queue

// The readers of what is nested in a message. The numbers are those of the put functions.

func readConnection(r *binaryReader, c *Connection) {
	for r.next() {
		switch r.number {
		case 1:
			c.LocalIP = r.string()
		case 2:
			c.LocalPort = r.int()
		case 3:
			c.RemoteIP = r.string()
		case 4:
			c.RemotePort = r.int()
		case 5:
			c.Secure = r.bool()
		case 6:
			c.User = r.string()
		}
	}
}

func readDKIM(r *binaryReader, k *DKIM) {
	for r.next() {
		switch r.number {
		case 1:
			k.Domain = r.string()
		case 2:
			k.Selector = r.string()
		case 3:
			k.Key = r.string()
		case 4:
			k.Expire = r.integer
		case 5:
			k.Headers = append(k.Headers, r.string())
		case 6:
			k.Report = r.bool()
		case 7:
			k.Protocols = append(k.Protocols, r.string())
		case 8:
			k.Canonicalization = r.string()
		case 9:
			k.Priority = r.int()
		case 10:
			r.extra(&k.Extra)
		case 11:
			k.ExpireAt = r.time()
		}
	}
}

func readDeliverBy(r *binaryReader, b *DeliverBy) {
	for r.next() {
		switch r.number {
		case 1:
			b.Time = r.time()
		case 2:
			b.Mode = DeliverByMode(r.string())
		case 3:
			b.Trace = r.bool()
		}
	}
}

func readDSN(r *binaryReader, d *DSN) {
	for r.next() {
		switch r.number {
		case 1:
			d.Notify = append(d.Notify, r.string())
		case 2:
			d.Ret = r.string()
		case 3:
			d.ORcpt = r.string()
		case 4:
			d.EnvID = r.string()
		}
	}
}

func readQueues(r *binaryReader, q *Queues) {
	names := [...]**string{&q.Results, &q.Failure, &q.Success, &q.Retry, &q.DSN}
	for r.next() {
		if i := r.number - 1; i < uint64(len(names)) {
			name := r.string()
			*names[i] = &name
		}
	}
}

func readSmarthost(r *binaryReader, s *Smarthost) {
	for r.next() {
		switch r.number {
		case 1:
			s.Hostname = r.string()
		case 2:
			s.Port = r.int()
		case 3:
			s.Username = r.string()
		case 4:
			s.Password = r.string()
		case 5:
			s.Plaintext = r.bool()
		}
	}
}

func readHeaders(r *binaryReader, h *HeaderEdits) {
	lists := [...]*[]Field{&h.Prepend, &h.Append, &h.Replace, &h.Update}
	for r.next() {
		if r.number == 1 {
			h.Remove = append(h.Remove, r.string())
		} else if i := r.number - 2; i < uint64(len(lists)) {
			*lists[i] = appendNested(r, *lists[i], readField)
		}
	}
}

func readField(r *binaryReader, f *Field) {
	for r.next() {
		switch r.number {
		case 1:
			f.Name = r.string()
		case 2:
			f.Value = r.string()
		}
	}
}

func readSpool(r *binaryReader, s *SpoolSource) {
	for r.next() {
		switch r.number {
		case 1:
			s.Directory = r.string()
		case 2:
			s.File = r.string()
		case 3:
			s.User = r.string()
		case 4:
			s.Size = r.integer
		}
	}
}

func readCLI(r *binaryReader, c *CLISource) {
	for r.next() {
		switch r.number {
		case 1:
			c.Command = r.string()
		case 2:
			c.Arguments = append(c.Arguments, r.string())
		case 3:
			c.User = r.string()
		}
	}
}

func readHTTP(r *binaryReader, h *HTTPSource) {
	for r.next() {
		switch r.number {
		case 1:
			h.Authentication = r.string()
		case 2:
			h.RemoteIP = r.string()
		case 3:
			h.RemotePort = r.int()
		}
	}
}

func readResult(r *binaryReader, v *Result) {
	for r.next() {
		switch r.number {
		case 1:
			v.State = ResultState(r.string())
		case 2:
			v.Result = Outcome(r.string())
		case 3:
			v.Time = r.time()
		case 4:
			v.MTA = r.string()
		case 5:
			v.From = r.string()
		case 6:
			v.To = r.string()
		case 7:
			v.Messages = r.int()
		case 8:
			v.Sent = readNested(r, readSent)
		case 9:
			v.Code = r.int()
		case 10:
			v.Status = r.string()
		case 11:
			v.Description = r.string()
		case 12:
			v.DSN = r.bool()
		case 13:
			v.Authentication = r.string()
		case 14:
			v.Cipher = readNested(r, readCipher)
		case 15:
			v.Certificate = readNested(r, readCertificate)
		case 16:
			r.extra(&v.Extra)
		case 17:
			v.form = r.raw()
		case 18:
			v.Class = Class(r.string())
		case 19:
			v.TLSPolicy = readNested(r, readTLSPolicy)
		}
	}
}

func readTLSPolicy(r *binaryReader, p *TLSPolicy) {
	for r.next() {
		switch r.number {
		case 1:
			p.Type = r.string()
		case 2:
			p.Mode = r.string()
		case 3:
			p.Failure = r.string()
		case 4:
			p.Reason = r.string()
		}
	}
}

func readSent(r *binaryReader, s *Sent) {
	for r.next() {
		switch r.number {
		case 1:
			s.Connection = r.integer
		case 2:
			s.Data = r.integer
		}
	}
}

func readCipher(r *binaryReader, c *Cipher) {
	for r.next() {
		switch r.number {
		case 1:
			c.Name = r.string()
		case 2:
			c.Bits = r.int()
		case 3:
			c.AlgBits = r.int()
		case 4:
			c.Version = r.string()
		case 5:
			c.ID = r.int()
		case 6:
			c.Group = r.string()
		case 7:
			c.Resumed = r.bool()
		}
	}
}

func readCertificate(r *binaryReader, c *Certificate) {
	for r.next() {
		switch r.number {
		case 1:
			c.NotBefore = r.time()
		case 2:
			c.NotAfter = r.time()
		case 3:
			c.Version = r.int()
		case 4:
			c.Verified = r.bool()
		case 5:
			c.Result = r.string()
		case 7:
			c.SelfSigned = r.bool()
		case 10:
			c.AltNames = append(c.AltNames, r.string())
		case 11:
			c.KeyUsage = r.int()
		case 12:
			c.Subject = readNested(r, readName)
		case 13:
			c.Issuer = readNested(r, readName)
		}
	}
}

func readName(r *binaryReader, n *Name) {
	parts := [...]*string{&n.Common, &n.Country, &n.State, &n.Locality, &n.Organization, &n.Unit}
	for r.next() {
		if i := r.number - 1; i < uint64(len(parts)) {
			*parts[i] = r.string()
		}
	}
}
