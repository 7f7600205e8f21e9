package app

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// minSecret is the shortest secret that is looked for: shorter ones would blank out ordinary words.
const minSecret = 6

const blanked = "[secret]"

// patterns are secrets that are in no configuration: installation tokens, personal tokens, keys, credentials in URLs.
// Installation tokens have no fixed length (a long form "ghs_<app>_<JWT>" is coming).
var patterns = []*regexp.Regexp{
	regexp.MustCompile(`gh[a-z]_[A-Za-z0-9_.\-]{10,}`),
	regexp.MustCompile(`github_pat_[A-Za-z0-9_]{10,}`),
	regexp.MustCompile(`nbt_[A-Za-z0-9]+\.[A-Za-z0-9]+`),
	regexp.MustCompile(`eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+`),
	regexp.MustCompile(`(?i)\b(bearer|token|basic) +[A-Za-z0-9_.~+/=\-]{16,}`),
	regexp.MustCompile(`://[^/\s"@]+:[^/\s"@]+@`),
	regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[^"]*`),
}

// Redactor is a log's output that blanks out secrets in finished lines, whatever field or error they came in.
type Redactor struct {
	mu      sync.Mutex
	out     io.Writer
	secrets []string // longest first
}

// NewRedactor writes to out, one whole line at a time.
func NewRedactor(out io.Writer) *Redactor { return &Redactor{out: out} }

// Hide adds secrets, as they are and as they look inside JSON text. Each line of a multi-line secret is one.
func (r *Redactor) Hide(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		for _, line := range append(strings.Split(s, "\n"), s) {
			line = strings.TrimSpace(line)
			if len(line) < minSecret || strings.HasPrefix(line, "-----") && !strings.Contains(line, "\n") {
				continue
			}
			quoted, err := json.Marshal(line)
			if err == nil {
				r.add(string(quoted[1 : len(quoted)-1]))
			}
			r.add(line)
		}
	}
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
}

func (r *Redactor) add(s string) {
	if !slices.Contains(r.secrets, s) {
		r.secrets = append(r.secrets, s)
	}
}

// Write blanks out and passes on one line.
func (r *Redactor) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.out.Write(r.redact(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

func (r *Redactor) redact(line []byte) []byte {
	for _, s := range r.secrets {
		if bytes.Contains(line, []byte(s)) {
			line = bytes.ReplaceAll(line, []byte(s), []byte(blanked))
		}
	}
	for _, p := range patterns {
		if p.Match(line) {
			line = p.ReplaceAll(line, []byte(blanked))
		}
	}
	return line
}

// Sync implements zapcore.WriteSyncer.
func (r *Redactor) Sync() error { return nil }
