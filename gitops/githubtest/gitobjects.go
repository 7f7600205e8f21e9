package githubtest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The formats of Git's tree and commit objects, as gitformat documents them.
// Everything here is pure: bytes in, values out.

const zeroOID = "0000000000000000000000000000000000000000"

// The object kinds as Git names them.
const (
	kindBlob   = "blob"
	kindTree   = "tree"
	kindCommit = "commit"
	kindTag    = "tag"
)

// The entry modes Git accepts in a tree.
const (
	modeFile    = "100644"
	modeExec    = "100755"
	modeSymlink = "120000"
	modeTree    = "40000"
	modeGitlink = "160000"
)

// object is one Git object: its kind and its content without the header.
type object struct {
	kind string
	data []byte
}

func isOID(s string) bool {
	if len(s) != 40 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// treeEntry is one line of a tree object; mode as Git stores it, without a
// leading zero.
type treeEntry struct {
	mode string
	name string
	oid  string
}

// kind is the kind of the object the entry points to.
func (e treeEntry) kind() string {
	switch e.mode {
	case modeTree:
		return kindTree
	case modeGitlink:
		return kindCommit
	}
	return kindBlob
}

// restMode is the six-digit form GitHub's REST API prints.
func (e treeEntry) restMode() string {
	if e.mode == modeTree {
		return "040000"
	}
	return e.mode
}

func parseTree(data []byte) ([]treeEntry, error) {
	var out []treeEntry
	for len(data) > 0 {
		sp := bytes.IndexByte(data, ' ')
		nul := bytes.IndexByte(data, 0)
		if sp < 0 || nul < sp || len(data) < nul+21 {
			return nil, errors.New("malformed tree object")
		}
		out = append(out, treeEntry{
			mode: strings.TrimPrefix(string(data[:sp]), "0"),
			name: string(data[sp+1 : nul]),
			oid:  hex.EncodeToString(data[nul+1 : nul+21]),
		})
		data = data[nul+21:]
	}
	return out, nil
}

// sortKey orders entries as Git does: a directory sorts as if its name ended
// in a slash.
func (e treeEntry) sortKey() string {
	if e.mode == modeTree {
		return e.name + "/"
	}
	return e.name
}

func formatTree(entries []treeEntry) []byte {
	type keyed struct {
		key string
		treeEntry
	}
	sorted := make([]keyed, 0, len(entries))
	for _, e := range entries {
		sorted = append(sorted, keyed{e.sortKey(), e})
	}
	slices.SortFunc(sorted, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	var b bytes.Buffer
	for _, e := range sorted {
		b.WriteString(e.mode)
		b.WriteByte(' ')
		b.WriteString(e.name)
		b.WriteByte(0)
		raw, _ := hex.DecodeString(e.oid)
		b.Write(raw)
	}
	return b.Bytes()
}

// signature is the author or committer of a commit.
type signature struct {
	name  string
	email string
	when  time.Time
}

// cleanIdent removes what may not stand in an ident line, as Git itself does.
func cleanIdent(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '<' || r == '>' || r == '\n' || r == 0 {
			return -1
		}
		return r
	}, s)
	return strings.Trim(s, " .,:;\"'\\\t\r")
}

func (s signature) String() string {
	_, offset := s.when.Zone()
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return fmt.Sprintf("%s <%s> %d %c%02d%02d", cleanIdent(s.name), cleanIdent(s.email), s.when.Unix(), sign, offset/3600, offset/60%60)
}

func parseSignature(line string) signature {
	var sig signature
	lt, gt := strings.IndexByte(line, '<'), strings.LastIndexByte(line, '>')
	if lt < 0 || gt < lt {
		return sig
	}
	sig.name, sig.email = strings.TrimSpace(line[:lt]), line[lt+1:gt]
	fields := strings.Fields(line[gt+1:])
	if len(fields) > 0 {
		sec, _ := strconv.ParseInt(fields[0], 10, 64)
		sig.when = time.Unix(sec, 0).UTC()
	}
	if len(fields) > 1 && len(fields[1]) == 5 {
		h, _ := strconv.Atoi(fields[1][1:3])
		m, _ := strconv.Atoi(fields[1][3:5])
		offset := h*3600 + m*60
		if fields[1][0] == '-' {
			offset = -offset
		}
		if offset != 0 {
			sig.when = sig.when.In(time.FixedZone("", offset))
		}
	}
	return sig
}

type commit struct {
	oid       string
	tree      string
	parents   []string
	author    signature
	committer signature
	message   string // verbatim, no newline added or removed
}

func parseCommit(oid string, data []byte) (*commit, error) {
	c := &commit{oid: oid}
	head, message, found := bytes.Cut(data, []byte("\n\n"))
	if !found {
		head = bytes.TrimSuffix(data, []byte("\n"))
	}
	c.message = string(message)
	for _, line := range strings.Split(string(head), "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author = parseSignature(value)
		case "committer":
			c.committer = parseSignature(value)
		}
	}
	if !isOID(c.tree) {
		return nil, fmt.Errorf("commit %s has no tree", oid)
	}
	return c, nil
}

func (c *commit) format() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", c.tree)
	for _, p := range c.parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author %s\ncommitter %s\n\n%s", c.author, c.committer, c.message)
	return b.Bytes()
}

func (c *commit) headline() string {
	line, _, _ := strings.Cut(strings.TrimLeft(c.message, "\n"), "\n")
	return line
}

func (c *commit) body() string {
	_, rest, _ := strings.Cut(strings.TrimLeft(c.message, "\n"), "\n")
	return strings.TrimSpace(rest)
}

// validRef says whether name is a full reference name under refs/ that
// git check-ref-format accepts.
func validRef(name string) bool {
	if !strings.HasPrefix(name, "refs/") || strings.Count(name, "/") < 2 || len(name) > 1024 {
		return false
	}
	if strings.Contains(name, "..") || strings.Contains(name, "@{") || strings.HasSuffix(name, ".") {
		return false
	}
	for _, r := range name {
		if r < 0x20 || r == 0x7f || strings.ContainsRune(" ~^:?*[\\", r) {
			return false
		}
	}
	for _, part := range strings.Split(name, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// validPath says whether a path may stand in a tree: relative, clean, and
// without the names Git refuses to check out.
func validPath(path string) bool {
	if path == "" || len(path) > 4096 || strings.IndexByte(path, 0) >= 0 {
		return false
	}
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return false
		}
	}
	return true
}
