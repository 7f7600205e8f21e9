package netboxtest

// Values of this package are nil, bool, string, number, int64, time.Time,
// []any and *object. They are never changed after they were stored, so rows
// may share them. encoding/json is not used because two things matter here that
// it cannot keep: the order of keys (a webhook shows the request's order, a read
// shows PostgreSQL's) and the text of numbers.

// number is a JSON number as Python writes it.
type number string

// object is a JSON object that remembers the order of its keys.
type object struct {
	keys []string
	vals map[string]any
}

func newObject() *object { return &object{vals: map[string]any{}} }

// obj builds an object from alternating keys and values.
func obj(kv ...any) *object {
	o := newObject()
	for i := 0; i+1 < len(kv); i += 2 {
		o.set(kv[i].(string), kv[i+1])
	}
	return o
}

func (o *object) set(k string, v any) {
	if _, ok := o.vals[k]; !ok {
		o.keys = append(o.keys, k)
	}
	o.vals[k] = v
}

func (o *object) get(k string) (any, bool) {
	if o == nil {
		return nil, false
	}
	v, ok := o.vals[k]
	return v, ok
}

func (o *object) str(k string) string {
	v, _ := o.get(k)
	s, _ := v.(string)
	return s
}

func (o *object) has(k string) bool { _, ok := o.get(k); return ok }

func (o *object) del(k string) {
	if _, ok := o.vals[k]; !ok {
		return
	}
	delete(o.vals, k)
	for i, x := range o.keys {
		if x == k {
			o.keys = append(o.keys[:i:i], o.keys[i+1:]...)
			return
		}
	}
}

func (o *object) clone() *object {
	c := newObject()
	if o != nil {
		for _, k := range o.keys {
			c.set(k, o.vals[k])
		}
	}
	return c
}
