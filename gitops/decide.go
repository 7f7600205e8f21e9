package gitops

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Choice is what a person chose for a selection of conflicts.
type Choice string

const (
	// ChooseNetBox and ChooseGit: that side's value shall hold on both.
	ChooseNetBox Choice = "netbox"
	ChooseGit    Choice = "git"
	// ChooseMerge: where only one side changed, its value shall hold; every other path needs a side of its own.
	ChooseMerge Choice = "merge"
)

// PathChoice gives a path, and what is below it, a side of its own.
type PathChoice struct {
	Path Path
	Side Side
}

// Selection is which conflicts a person decides, and how. Number selects one conflict, Key those of one resource;
// neither selects all. ChooseMerge looks at a resource as a whole: with Number it covers the other conflicts of the
// conflict's resource too, because a merge that leaves one open is none (ENGINE 20).
type Selection struct {
	Number int
	Key    *Key
	Choice Choice
	Paths  []PathChoice
	// By, Source ("comment", "button") and At are the person, the way and the time.
	By, Source string
	At         time.Time
}

// DecideReason says why a selection cannot be decided.
type DecideReason string

const (
	NotOpen       DecideReason = "not_open"      // no conflict of that number was ever seen
	NothingOpen   DecideReason = "nothing_open"  // nothing that can be decided is selected
	ValuesMoved   DecideReason = "moved"         // the values moved; Now is the conflict's new number
	AlreadyClosed DecideReason = "closed"        // Conflict says why, in Resolution
	NotDecidable  DecideReason = "not_decidable" // no decision, or not this one, is valid for Conflict
	LeftOpen      DecideReason = "left_open"     // a merge would leave Open; each needs a side
	PathNotOpen   DecideReason = "path_not_open" // nothing of the selection is in conflict at Path
	PathTooDeep   DecideReason = "path_too_deep" // Conflict can only be decided as a whole, not at Path below it
	PathTwice     DecideReason = "path_twice"    // Path was given both sides
	WrongChoice   DecideReason = "wrong_choice"  // the choice itself is none
)

// DecideError is a selection that cannot be decided; nothing of it is.
type DecideError struct {
	Reason   DecideReason
	Number   int // selected
	Now      int
	Conflict *Conflict
	Open     []*Conflict // by path
	Path     Path
}

func (e *DecideError) Error() string {
	s := "cannot decide: " + string(e.Reason)
	if e.Number > 0 {
		s += fmt.Sprintf(" C%d", e.Number)
	}
	if e.Now > 0 {
		s += fmt.Sprintf(", now C%d", e.Now)
	}
	if len(e.Path) > 0 {
		s += " at " + e.Path.String()
	}
	return s
}

// Decided is one conflict with the decision made for it.
type Decided struct {
	Conflict *Conflict
	Decision Decision
}

// Decide turns a selection into decisions, each bound to the values of its own path (ENGINE 20), by conflict number.
// open and closed are the fabric's conflicts by number. The error is a *DecideError: all of the selection is decided or
// nothing. With a Key or for all, conflicts for which no decision is valid, such as drift, are passed over.
//
// The id of a decision is made of what it is bound to: deciding twice stores one, and the newest choice for the same
// values replaces the older.
func Decide(s Selection, open, closed map[int]*Conflict) ([]Decided, error) {
	if s.Choice != ChooseNetBox && s.Choice != ChooseGit && s.Choice != ChooseMerge {
		return nil, &DecideError{Reason: WrongChoice}
	}
	if err := distinctPaths(s.Paths); err != nil {
		return nil, err
	}
	selected, err := s.conflicts(open, closed)
	if err != nil {
		return nil, err
	}
	if err := s.checkPaths(selected); err != nil {
		return nil, err
	}
	var out []Decided
	var left []*Conflict
	for _, c := range selected {
		side, ok := s.side(c)
		if !ok {
			left = append(left, c)
			continue
		}
		if !slices.Contains(c.Options, string(side)) {
			return nil, &DecideError{Reason: NotDecidable, Number: c.Number, Conflict: c}
		}
		out = append(out, Decided{c, Decision{ID: decisionID(c), Key: c.Key, Path: c.Path, Choice: string(side),
			BaseHash: c.BaseHash, GitHash: c.GitHash, NetBoxHash: c.NetBoxHash, By: s.By, Source: s.Source, At: s.At}})
	}
	if len(left) > 0 {
		return nil, &DecideError{Reason: LeftOpen, Number: s.Number, Open: left}
	}
	return out, nil
}

// decisionID names what a decision is bound to.
func decisionID(c *Conflict) string {
	h := sha256.New()
	for _, part := range []string{pathID(c.Key, c.Path), c.BaseHash, c.GitHash, c.NetBoxHash} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return "decision_" + hex.EncodeToString(h.Sum(nil))[:24]
}

// conflicts are those selected, by number.
func (s *Selection) conflicts(open, closed map[int]*Conflict) ([]*Conflict, error) {
	var out []*Conflict
	key := s.Key
	if s.Number > 0 {
		c := open[s.Number]
		if c == nil {
			return nil, notOpen(s.Number, open, closed)
		}
		if len(c.Options) == 0 {
			return nil, &DecideError{Reason: NotDecidable, Number: s.Number, Conflict: c}
		}
		if s.Choice != ChooseMerge {
			return []*Conflict{c}, nil
		}
		key = &c.Key
	}
	for _, c := range open {
		if len(c.Options) > 0 && (key == nil || c.Key == *key) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, &DecideError{Reason: NothingOpen}
	}
	slices.SortFunc(out, func(a, b *Conflict) int { return cmp.Compare(a.Number, b.Number) })
	return out, nil
}

// notOpen says what became of a number: values that moved on are followed to the conflict of today.
func notOpen(number int, open, closed map[int]*Conflict) error {
	c := closed[number]
	if c == nil {
		return &DecideError{Reason: NotOpen, Number: number}
	}
	// MovedTo only ever grows; should a record say otherwise, the walk still ends.
	for c.MovedTo > c.Number {
		if now := open[c.MovedTo]; now != nil {
			return &DecideError{Reason: ValuesMoved, Number: number, Now: now.Number, Conflict: now}
		}
		next := closed[c.MovedTo]
		if next == nil {
			break
		}
		c = next
	}
	return &DecideError{Reason: AlreadyClosed, Number: number, Conflict: c}
}

func distinctPaths(paths []PathChoice) error {
	for i, a := range paths {
		if a.Side != SideGit && a.Side != SideNetBox {
			return &DecideError{Reason: WrongChoice, Path: a.Path}
		}
		for _, b := range paths[:i] {
			if len(a.Path) == len(b.Path) && samePath(a.Path, b.Path) && a.Side != b.Side {
				return &DecideError{Reason: PathTwice, Path: a.Path}
			}
		}
	}
	return nil
}

// checkPaths refuses a path of its own that decides nothing: it is mistyped, or inside a value that conflicts as a whole.
func (s *Selection) checkPaths(selected []*Conflict) error {
	for _, own := range s.Paths {
		used := false
		var whole *Conflict
		for _, c := range selected {
			at, err := ParsePath(c.Path)
			switch {
			case err != nil:
			case own.Path.Covers(at):
				used = true
			case at.Covers(own.Path) && whole == nil:
				whole = c
			}
		}
		if !used && whole != nil {
			return &DecideError{Reason: PathTooDeep, Number: s.Number, Conflict: whole, Path: own.Path}
		}
		if !used {
			return &DecideError{Reason: PathNotOpen, Number: s.Number, Path: own.Path}
		}
	}
	return nil
}

// side is what the selection says about one conflict: its own path's side, the longest winning, else the choice. A merge
// answers only where one side alone changed.
func (s *Selection) side(c *Conflict) (Side, bool) {
	at, err := ParsePath(c.Path)
	longest := -1
	var own Side
	for _, p := range s.Paths {
		if err == nil && len(p.Path) > longest && p.Path.Covers(at) {
			longest, own = len(p.Path), p.Side
		}
	}
	switch {
	case longest >= 0:
		return own, true
	case s.Choice != ChooseMerge:
		return Side(s.Choice), true
	case c.Code != ConcurrentModification:
		return "", false // what history, a refusal or an unknown outcome left is nobody's newer value
	case c.BaseHash == c.GitHash && c.BaseHash != c.NetBoxHash:
		return SideNetBox, true
	case c.BaseHash == c.NetBoxHash && c.BaseHash != c.GitHash:
		return SideGit, true
	}
	return "", false
}

// Covers tells whether q is p or lies below it. The empty path covers everything.
func (p Path) Covers(q Path) bool { return len(p) <= len(q) && samePath(p, q[:len(p)]) }
