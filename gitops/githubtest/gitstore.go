package githubtest

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"crypto/sha1" // #nosec: Git's object ids are SHA-1
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// errNoObject is the answer for an object id the repository does not have.
var errNoObject = errors.New("object does not exist")

// cacheBytes bounds the objects one repository keeps in memory. Objects are
// immutable, so the cache never goes stale.
const cacheBytes = 16 << 20

// gitRepo is one bare repository on disk. Loose objects and references are
// read and written in this process, which keeps a request well under a
// millisecond; objects inside packs come from one long-lived
// `git cat-file --batch`. Writers of references are serialised by the Server.
type gitRepo struct {
	dir string
	run *gitRunner

	mu     sync.Mutex
	cache  map[string]object
	cached int
	batch  *catFile

	zmu sync.Mutex
	z   *zlib.Writer // reused: a new one costs more than most objects
}

func openGitRepo(dir string, run *gitRunner) *gitRepo {
	return &gitRepo{dir: dir, run: run, cache: map[string]object{}}
}

// close ends the helper process, if one was started.
func (r *gitRepo) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.batch != nil {
		r.batch.close()
		r.batch = nil
	}
}

func (r *gitRepo) remember(oid string, o object) {
	if len(o.data) > cacheBytes/8 {
		return
	}
	if r.cached+len(o.data) > cacheBytes {
		r.cache, r.cached = map[string]object{}, 0
	}
	r.cache[oid] = o
	r.cached += len(o.data)
}

// read returns the object; errNoObject when the repository lacks it. The data
// is shared: callers must not change it.
func (r *gitRepo) read(oid string) (object, error) {
	if !isOID(oid) {
		return object{}, errNoObject
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if o, ok := r.cache[oid]; ok {
		return o, nil
	}
	o, err := readLoose(filepath.Join(r.dir, "objects", oid[:2], oid[2:]))
	if errors.Is(err, os.ErrNotExist) {
		if packs, _ := filepath.Glob(filepath.Join(r.dir, "objects", "pack", "*.idx")); len(packs) == 0 {
			return object{}, errNoObject
		}
		if r.batch == nil {
			if r.batch, err = startCatFile(r.run, r.dir); err != nil {
				return object{}, err
			}
		}
		o, err = r.batch.read(oid)
	}
	if err != nil {
		return object{}, fmt.Errorf("read object %s: %w", oid, err)
	}
	r.remember(oid, o)
	return o, nil
}

func readLoose(path string) (object, error) {
	f, err := os.Open(path)
	if err != nil {
		return object{}, err
	}
	defer f.Close()
	z, err := zlib.NewReader(bufio.NewReader(f))
	if err != nil {
		return object{}, err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return object{}, err
	}
	head, data, ok := bytes.Cut(raw, []byte{0})
	kind, size, ok2 := strings.Cut(string(head), " ")
	if n, err := strconv.Atoi(size); !ok || !ok2 || err != nil || n != len(data) {
		return object{}, errors.New("malformed loose object")
	}
	return object{kind: kind, data: data}, nil
}

// write stores an object and returns its id; an object that exists already is
// not written again.
func (r *gitRepo) write(kind string, data []byte) (string, error) {
	head := fmt.Sprintf("%s %d\x00", kind, len(data))
	h := sha1.New()
	io.WriteString(h, head)
	h.Write(data)
	oid := hex.EncodeToString(h.Sum(nil))
	if _, err := r.read(oid); err == nil {
		return oid, nil
	}
	dir := filepath.Join(r.dir, "objects", oid[:2])
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(dir, "tmp_obj_")
	if err != nil {
		return "", err
	}
	err = errors.Join(r.deflate(tmp, head, data), tmp.Chmod(0o444), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, oid[2:]))
	}
	if err != nil {
		os.Remove(tmp.Name())
		return "", fmt.Errorf("write %s: %w", kind, err)
	}
	r.mu.Lock()
	r.remember(oid, object{kind: kind, data: append([]byte(nil), data...)})
	r.mu.Unlock()
	return oid, nil
}

func (r *gitRepo) deflate(w io.Writer, head string, data []byte) error {
	r.zmu.Lock()
	defer r.zmu.Unlock()
	if r.z == nil {
		r.z, _ = zlib.NewWriterLevel(w, zlib.BestSpeed)
	} else {
		r.z.Reset(w)
	}
	// Write errors stay with the writer and come out of Close.
	io.WriteString(r.z, head)
	r.z.Write(data)
	return r.z.Close()
}

func (r *gitRepo) commit(oid string) (*commit, error) {
	o, err := r.read(oid)
	if err != nil {
		return nil, err
	}
	if o.kind != kindCommit {
		return nil, errNoObject
	}
	return parseCommit(oid, o.data)
}

// peel follows annotated tags to the object they point to.
func (r *gitRepo) peel(oid string) (string, object, error) {
	for range 8 {
		o, err := r.read(oid)
		if err != nil || o.kind != kindTag {
			return oid, o, err
		}
		line, _, _ := strings.Cut(string(o.data), "\n")
		oid = strings.TrimPrefix(line, "object ")
	}
	return "", object{}, errNoObject
}
