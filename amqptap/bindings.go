package amqptap

import "slices"

// bind makes the bindings of the tap's queue those wanted: it unbinds first. An error means that the session is over, and
// diagnose tells why.
func (s *session) bind(wanted []Binding) (at string, err error) {
	s.rpc.Lock()
	defer s.rpc.Unlock()
	for _, b := range s.bound {
		for _, key := range b.Keys {
			if !contains(wanted, b.Exchange, key) {
				if err := s.ch.QueueUnbind(s.queue, key, b.Exchange, nil); err != nil {
					return b.Exchange, err
				}
			}
		}
	}
	for _, b := range wanted {
		for _, key := range b.Keys {
			if !contains(s.bound, b.Exchange, key) {
				if err := s.ch.QueueBind(s.queue, key, b.Exchange, false, nil); err != nil {
					return b.Exchange, err
				}
			}
		}
	}
	s.bound = wanted
	s.isBound.Store(len(wanted) > 0)
	return "", nil
}

func contains(bindings []Binding, exchange, key string) bool {
	return slices.ContainsFunc(bindings, func(b Binding) bool {
		return b.Exchange == exchange && slices.Contains(b.Keys, key)
	})
}

// cancel ends the consumer.
func (s *session) cancel() error {
	s.rpc.Lock()
	defer s.rpc.Unlock()
	return s.ch.Cancel(consumerTag, false)
}

// depth is how many messages wait in the tap's queue for room in its prefetch. The question is a passive declaration, of
// this queue and no other: it is the tap's own.
func (s *session) depth() (int, error) {
	s.rpc.Lock()
	defer s.rpc.Unlock()
	q, err := s.ch.QueueDeclarePassive(s.queue, false, false, true, false, nil)
	return q.Messages, err
}
