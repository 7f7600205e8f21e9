package repo

import (
	"context"
	"crypto/sha1" // #nosec: Git's object ids
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/hnp-sync/hnp-sync/gitops"
)

const (
	// batchBlobs and batchBytes bound one query for contents.
	batchBlobs = 100
	batchBytes = 2 << 20
	// maxTextBlob is the largest blob asked for as text; GitHub cuts texts at about half a megabyte.
	maxTextBlob = 400_000
	// maxBlobAnswer caps the answer to one batch; JSON escapes a control character with six bytes.
	maxBlobAnswer = 6*batchBytes + 1<<20
)

// blobOID is Git's object id of a blob, in the length of like.
func blobOID(data []byte, like string) string {
	var h hash.Hash = sha1.New()
	if len(like) == 64 {
		h = sha256.New()
	}
	h.Write([]byte("blob " + strconv.Itoa(len(data)) + "\x00"))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

// contents returns the verified content of every regular file up to gitops.MaxFileBytes, by object id: from the
// cache, from the texts that came with the tree or were hinted at, else with as few requests as possible. files is
// not changed: it may be shared.
func (r *Repository) contents(ctx context.Context, files []entry, hinted map[string]*string) (map[string][]byte, error) {
	have := map[string][]byte{}
	var missing []entry
	asked := map[string]bool{}
	for _, f := range files {
		if !f.regular() || f.size > gitops.MaxFileBytes || asked[f.oid] {
			continue
		}
		if _, found := have[f.oid]; found {
			continue
		}
		if data, found := r.app.cache.Get(f.oid); found {
			have[f.oid] = data
			continue
		}
		if f.text == nil {
			f.text = hinted[f.oid]
		}
		if f.text != nil && r.keep(have, f.oid, []byte(*f.text)) {
			continue
		}
		asked[f.oid] = true
		missing = append(missing, f)
	}
	var batch, raw []entry
	size := int64(0)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		left, err := r.textBatch(ctx, batch, have)
		raw = append(raw, left...)
		batch, size = nil, 0
		return err
	}
	for _, f := range missing {
		// A text that already came and did not hash to its id will not do so a second time.
		if f.size > maxTextBlob || f.text != nil {
			raw = append(raw, f)
			continue
		}
		if len(batch) == batchBlobs || size+f.size > batchBytes {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		batch = append(batch, f)
		size += f.size
	}
	if err := flush(); err != nil {
		return nil, err
	}
	for _, f := range raw {
		data, err := r.rawBlob(ctx, f)
		if errors.Is(err, ErrTooLarge) {
			continue // larger than its entry said: Oversize
		}
		if err != nil {
			return nil, err
		}
		if !r.keep(have, f.oid, data) {
			return nil, fmt.Errorf("read blob %s of %s: content does not have that object id", f.oid, f.path)
		}
	}
	return have, nil
}

// keep stores data when it is what oid names.
func (r *Repository) keep(have map[string][]byte, oid string, data []byte) bool {
	if blobOID(data, oid) != oid {
		return false
	}
	have[oid] = data
	r.app.cache.Put(oid, data)
	return true
}

// textBatch asks for some blobs in one query and returns those that have to be read raw: binary, cut or re-encoded.
// A batch that GitHub cannot serve is halved.
func (r *Repository) textBatch(ctx context.Context, batch []entry, have map[string][]byte) (left []entry, err error) {
	var b strings.Builder
	b.WriteString("query Blobs($owner:String!,$name:String!){repository(owner:$owner,name:$name){")
	for i, f := range batch {
		// Object ids are checked hex digits.
		fmt.Fprintf(&b, "b%d:object(oid:%q){%s} ", i, f.oid, blobFields)
	}
	b.WriteString("}}")
	var out struct {
		Repository map[string]*objectNode `json:"repository"`
	}
	attempts := 0
	if len(batch) > 1 {
		attempts = 1 // halves are the better second try
	}
	err = r.client.query(ctx, "read blobs", b.String(), map[string]any{"owner": r.ref.Owner, "name": r.ref.Name}, maxBlobAnswer, attempts, &out)
	switch {
	case err != nil && tooMuch(err) && len(batch) > 1:
		half := len(batch) / 2
		for _, part := range [][]entry{batch[:half], batch[half:]} {
			more, err := r.textBatch(ctx, part, have)
			if err != nil {
				return nil, err
			}
			left = append(left, more...)
		}
		return left, nil
	case err != nil && tooMuch(err):
		return batch, nil
	case err != nil:
		return nil, permission(r.ref.String(), err)
	}
	for i, f := range batch {
		n := out.Repository["b"+strconv.Itoa(i)]
		if n == nil || n.Text == nil || n.IsTruncated || !r.keep(have, f.oid, []byte(*n.Text)) {
			left = append(left, f)
		}
	}
	return left, nil
}

// tooMuch tells the failures that a smaller question may cure.
func tooMuch(err error) bool {
	var api *APIError
	return errors.Is(err, ErrTooLarge) || errors.As(err, &api) &&
		(api.Status >= 500 || api.Type == "RESOURCE_LIMITS_EXCEEDED" || api.Type == "MAX_NODE_LIMIT_EXCEEDED" || api.Type == "EXCESSIVE_PAGINATION")
}

// rawBlob reads one blob byte for byte.
func (r *Repository) rawBlob(ctx context.Context, f entry) ([]byte, error) {
	resp, err := r.client.rest(ctx, request{
		operation: "read blob", method: "GET", path: r.api("git", "blobs", f.oid),
		header: map[string]string{"Accept": mediaRaw}, maxBytes: gitops.MaxFileBytes,
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.path, permission(r.ref.String(), err))
	}
	return resp.body, nil
}
