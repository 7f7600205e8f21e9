package githubtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// References, read and written as Git does.

// ref reads a reference; ok is false when it does not exist.
func (r *gitRepo) ref(name string) (oid string, ok bool, err error) {
	data, err := os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(name)))
	if err == nil {
		oid = strings.TrimSpace(string(data))
		return oid, isOID(oid), nil
	}
	packed, err := r.packedRefs()
	if err != nil {
		return "", false, err
	}
	oid, ok = packed[name]
	return oid, ok, nil
}

func (r *gitRepo) packedRefs() (map[string]string, error) {
	data, err := os.ReadFile(filepath.Join(r.dir, "packed-refs"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, line := range strings.Split(string(data), "\n") {
		oid, name, ok := strings.Cut(line, " ")
		if ok && isOID(oid) {
			out[name] = oid
		}
	}
	return out, nil
}

// namedRef is a reference and what it points to.
type namedRef struct {
	name string
	oid  string
}

// refs lists the references whose names begin with prefix (which must begin
// with "refs/"), sorted by name.
func (r *gitRepo) refs(prefix string) ([]namedRef, error) {
	found, err := r.packedRefs()
	if err != nil {
		return nil, err
	}
	if found == nil {
		found = map[string]string{}
	}
	err = filepath.WalkDir(filepath.Join(r.dir, "refs"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(r.dir, path)
		if oid := strings.TrimSpace(string(data)); isOID(oid) {
			found[filepath.ToSlash(name)] = oid
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []namedRef
	for name, oid := range found {
		if strings.HasPrefix(name, prefix) {
			out = append(out, namedRef{name, oid})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out, nil
}

// refConflict says whether name cannot exist beside the present references
// because one is a directory of the other.
func (r *gitRepo) refConflict(name string) (bool, error) {
	all, err := r.refs("refs/")
	if err != nil {
		return false, err
	}
	for _, ref := range all {
		if strings.HasPrefix(ref.name, name+"/") || strings.HasPrefix(name, ref.name+"/") {
			return true, nil
		}
	}
	return false, nil
}

// setRef moves a reference with Git's own lock protocol (create NAME.lock,
// rename), so that git processes working in the repository stay correct. An
// empty oid deletes. The caller has checked the old value and holds the
// Server's lock.
func (r *gitRepo) setRef(name, oid string) error {
	if oid == "" {
		_, err := r.run.run(r.dir, nil, "update-ref", "-d", name)
		return err
	}
	path := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("create directory of %s: %w", name, err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		// Git leaves empty directories behind when a nested branch goes.
		if err := removeEmptyDirs(path); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	_, err = io.WriteString(lock, oid+"\n")
	if err = errors.Join(err, lock.Close()); err == nil {
		err = os.Rename(path+".lock", path)
	}
	if err != nil {
		os.Remove(path + ".lock")
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

func removeEmptyDirs(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := removeEmptyDirs(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(dir)
}
