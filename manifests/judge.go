package manifests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	sigs "sigs.k8s.io/yaml"
)

// judge reads one document with the parser that Kubernetes uses, which shares no code with the source of positions. A
// document with merge keys is read laxly, because the strict parser refuses every key that overrides a merged one; the
// tree has checked it for duplicate keys.
func judge(text []byte, merges bool) (any, error) {
	read := sigs.YAMLToJSONStrict
	if merges {
		read = sigs.YAMLToJSON
	}
	out, err := guarded(func() ([]byte, error) { return read(text) })
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(out))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("read the JSON of the document: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("read the JSON of the document: text after its end")
	}
	return v, nil
}

// guarded turns a panic of a parser into an error: every document is foreign input.
func guarded[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML parser failed: %v", r)
		}
	}()
	return f()
}

// reconcile compares the tree's value with the judge's and returns the judge's copy with the numbers spelled as in
// the text: the judge reads integers of more than 64 bits as floats and would lose digits.
func reconcile(fromTree, fromJudge any) (any, bool) {
	switch t := fromTree.(type) {
	case map[string]any:
		j, ok := fromJudge.(map[string]any)
		if !ok || len(t) != len(j) {
			return nil, false
		}
		for k, v := range t {
			w, ok := j[k]
			if !ok {
				return nil, false
			}
			if w, ok = reconcile(v, w); !ok {
				return nil, false
			}
			j[k] = w
		}
		return j, true
	case []any:
		j, ok := fromJudge.([]any)
		if !ok || len(t) != len(j) {
			return nil, false
		}
		for i := range t {
			if j[i], ok = reconcile(t[i], j[i]); !ok {
				return nil, false
			}
		}
		return j, true
	case json.Number:
		j, ok := fromJudge.(json.Number)
		if !ok {
			return nil, false
		}
		if Equal(t, j) {
			return t, true
		}
		a, errA := strconv.ParseFloat(string(t), 64)
		b, errB := strconv.ParseFloat(string(j), 64)
		return t, errA == nil && errB == nil && a == b
	}
	return fromJudge, Equal(fromTree, fromJudge)
}
