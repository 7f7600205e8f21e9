package feedback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/hnp-sync/hnp-sync/gitops"
)

// State is the hidden block of a conflict pull request: of which conflicts it is. People can edit it, so it is a hint to
// find the conflicts by and never a decision: what the merge holds and the ledger decide.
type State struct {
	Version   int             `json:"v"` // 1
	Fabric    string          `json:"fabric"`
	Head      string          `json:"head"` // planned head the branch was made from
	Conflicts []StateConflict `json:"conflicts"`
	// More is how many conflicts found no room.
	More int `json:"more,omitempty"`
}

// StateConflict is one conflict with the hashes of the values that the pull request shows.
type StateConflict struct {
	Number int    `json:"n"`
	Git    string `json:"git"`
	NetBox string `json:"netbox"`
	Base   string `json:"base"`
}

// Limits of the state block.
const (
	maxState          = 24 << 10
	maxStateConflicts = 100
	maxStateText      = 300
)

const stateStart = "<!-- hnp-sync state "

// ErrNoState: the body holds no state block where one belongs, on one of its first two lines.
var ErrNoState = errors.New("no state block")

// stateLine writes the state on one line. JSON escapes < > & and, here, every second hyphen, so the comment cannot end
// early; hidden characters too.
func stateLine(s State) string {
	b, err := json.Marshal(s)
	if err != nil { // it holds texts and numbers only
		return ""
	}
	var out strings.Builder
	for _, r := range strings.ReplaceAll(string(b), "--", `-\u002d`) {
		if !hidden(r) {
			out.WriteRune(r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&out, `\u%04x`, u)
		}
	}
	return stateStart + out.String() + markerEnd
}

// ParseState reads the state block of a pull request's body, with limits: 24 KiB, 100 conflicts, no unknown fields.
// Text below the first two lines is never looked at.
func ParseState(body string) (State, error) {
	lines := strings.SplitN(body, "\n", 3)
	for _, l := range lines[:min(len(lines), 2)] {
		l = strings.TrimSuffix(l, "\r")
		rest, ok := strings.CutPrefix(l, stateStart)
		if !ok {
			continue
		}
		text, ok := strings.CutSuffix(rest, markerEnd)
		if !ok {
			return State{}, errors.New("state block: not closed on its line")
		}
		return parseState(text)
	}
	return State{}, ErrNoState
}

func parseState(text string) (State, error) {
	if len(text) > maxState {
		return State{}, fmt.Errorf("state block: %d bytes, at most %d are read", len(text), maxState)
	}
	var s State
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return State{}, fmt.Errorf("state block: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return State{}, errors.New("state block: text after its end")
	}
	switch {
	case s.Version != 1:
		return State{}, fmt.Errorf("state block: version %d is not known", s.Version)
	case len(s.Conflicts) > maxStateConflicts || s.More < 0:
		return State{}, errors.New("state block: too many conflicts")
	case len(s.Fabric) > maxStateText || len(s.Head) > maxStateText:
		return State{}, errors.New("state block: text too long")
	}
	for _, c := range s.Conflicts {
		if c.Number <= 0 || len(c.Git) > maxStateText || len(c.NetBox) > maxStateText || len(c.Base) > maxStateText {
			return State{}, errors.New("state block: a conflict is out of its limits")
		}
	}
	return s, nil
}

// stateOf is the state of a conflict pull request.
func stateOf(fabric, head string, conflicts []gitops.Conflict) State {
	s := State{Version: 1, Fabric: cutBytes(strings.ToValidUTF8(fabric, "?"), maxStateText), Head: cutBytes(head, maxStateText), Conflicts: []StateConflict{}}
	for i := range conflicts {
		c := &conflicts[i]
		if c.Number <= 0 {
			continue
		}
		one := StateConflict{Number: c.Number, Git: cutBytes(c.GitHash, maxStateText), NetBox: cutBytes(c.NetBoxHash, maxStateText), Base: cutBytes(c.BaseHash, maxStateText)}
		if len(s.Conflicts) == maxStateConflicts {
			s.More++
			continue
		}
		s.Conflicts = append(s.Conflicts, one)
		if len(stateLine(s)) > maxState {
			s.Conflicts = s.Conflicts[:len(s.Conflicts)-1]
			s.More++
		}
	}
	return s
}
