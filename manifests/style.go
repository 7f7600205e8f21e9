package manifests

import "bytes"

// layout is how a document is written, so that what is added looks like what is there.
type layout struct {
	step   int // indentation of a map below its key
	seqOff int // indentation of a list below its key
	quote  byte
	all    bool // every text value is quoted (JSON, KYAML)
	json   bool // keys are quoted too
	tight  bool // no blank after ":" and "," in flow collections
	eol    string
	block  bool // literal blocks may be written
}

// layoutOf looks at what the document does most often.
func layoutOf(t *tree) *layout {
	l := &layout{step: 2, seqOff: 0, quote: '"', eol: "\n", block: true}
	if i := bytes.IndexByte(t.src, '\n'); i > 0 && t.src[i-1] == '\r' {
		l.eol = "\r\n"
	} else if i < 0 && bytes.IndexByte(t.src, '\r') >= 0 {
		l.eol = "\r"
	}
	var c counts
	if t.root != nil {
		c.walk(t.root)
		l.json = t.root.style == flowStyle && c.quotedKeys > 0 && c.plainKeys == 0
	}
	if c.single > c.double {
		l.quote = '\''
	}
	l.all = l.json || t.root != nil && t.root.style == flowStyle && c.plain == 0 && c.double > 0
	l.tight = c.tight > c.loose
	if best := most(c.steps[:]); best > 0 {
		l.step = best
	}
	if best := most(c.seqs[:]); best >= 0 && c.seqs[best] > 0 {
		l.seqOff = best
	}
	return l
}

type counts struct {
	steps, seqs           [9]int
	single, double, plain int
	quotedKeys, plainKeys int
	tight, loose          int
}

func most(n []int) int {
	best := -1
	for i, c := range n {
		if c > 0 && (best < 0 || c > n[best]) {
			best = i
		}
	}
	return best
}

func (c *counts) walk(n *node) {
	for i := range n.entries {
		e := &n.entries[i]
		if e.key != nil {
			if e.key.style == doubleStyle {
				c.quotedKeys++
			} else {
				c.plainKeys++
			}
			if n.style == flowStyle && e.colon >= 0 && e.val.end > e.val.start {
				if e.val.prop == e.colon+1 {
					c.tight++
				} else {
					c.loose++
				}
			}
		}
		v := e.val
		switch {
		case v.kind == scalarNode && v.isStr:
			switch v.style {
			case singleStyle:
				c.single++
			case doubleStyle:
				c.double++
			case plainStyle:
				c.plain++
			}
		case n.kind == mapNode && n.style == blockStyle && v.style == blockStyle && v.col >= n.col && v.col-n.col < len(c.steps):
			if v.kind == mapNode {
				c.steps[v.col-n.col]++
			} else if v.kind == seqNode {
				c.seqs[v.col-n.col]++
			}
		}
		c.walk(v)
	}
}
