package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	yaml4 "go.yaml.in/yaml/v4"
)

const bom = "\ufeff"

func bomLen(src []byte) int {
	if bytes.HasPrefix(src, []byte(bom)) {
		return len(bom)
	}
	return 0
}

// wholeFile finds what makes a whole file unreadable.
func wholeFile(src []byte) *treeError {
	switch {
	case len(src) > MaxFileBytes:
		return &treeError{
			whole: true, code: "too-large", fix: "split the file",
			msg: fmt.Sprintf("the file has %d bytes; at most %d are read", len(src), MaxFileBytes),
		}
	case bytes.HasPrefix(src, []byte{0xFF, 0xFE}), bytes.HasPrefix(src, []byte{0xFE, 0xFF}),
		len(src) >= 4 && src[0] == 0 && src[1] != 0 && src[2] == 0 && src[3] != 0,
		len(src) >= 4 && src[0] != 0 && src[1] == 0 && src[2] != 0 && src[3] == 0:
		return &treeError{code: "utf16", msg: "the file is encoded as UTF-16", fix: "save it as UTF-8"}
	case indicators(src) > maxIndicators:
		return &treeError{
			whole: true, code: "too-large", fix: "split the file",
			msg: fmt.Sprintf("the file holds more than %d keys and items", maxIndicators),
		}
	}
	return nil
}

// maxIndicators bounds how many values a file can hold. A parsed value takes about 700 bytes of memory, two in the text.
const maxIndicators = 400_000

// indicators counts what begins a key, an item or a collection, which is never less than half of the values that a
// parser would make of src.
func indicators(src []byte) int {
	if len(src) < maxIndicators {
		return 0
	}
	n := 0
	for i, c := range src {
		switch c {
		case ',', '[', '{':
			n++
		case ':', '-', '?':
			if i+1 == len(src) || isBlank(src[i+1]) || src[i+1] == '\n' || src[i+1] == '\r' || i > 0 && (src[i-1] == '"' || src[i-1] == '\'') {
				n++
			}
		}
	}
	return n
}

// checkText refuses bytes that readers of YAML treat differently or not at all.
func checkText(text []byte) *treeError {
	for i := 0; i < len(text); {
		c := text[i]
		if c >= 0x20 && c < 0x7F || c == '\n' || c == '\r' || c == '\t' {
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		at := span{i, i + n}
		switch {
		case r == utf8.RuneError && n <= 1:
			return &treeError{code: "not-utf8", at: at, msg: fmt.Sprintf("the byte 0x%02X is not UTF-8", c), fix: "save the file as UTF-8"}
		case r == 0:
			return &treeError{code: "nul-byte", at: at, msg: "a NUL byte stands in the text", fix: "remove it"}
		case r == 0xFEFF:
			return &treeError{
				code: "bom-inside", at: at, msg: "a byte order mark (U+FEFF) stands inside the text",
				fix: `remove it, or write it as "\uFEFF" in double quotes`,
			}
		case r < 0xA0 && r != 0x85, r == 0xFFFE, r == 0xFFFF:
			return &treeError{
				code: "control-character", at: at, msg: fmt.Sprintf("the control character U+%04X is not allowed in YAML", r),
				fix: fmt.Sprintf(`remove it, or write it as "\u%04X" in double quotes`, r),
			}
		}
		i += n
	}
	return nil
}

func templateError(text []byte, at int) *treeError {
	end := at + 2
	if j := bytes.Index(text[at:lineEnd(text, at)], []byte("}}")); j >= 0 {
		end = at + j + 2
	}
	return &treeError{
		code: "template", at: span{at, end}, msg: "template braces: this is a template, not YAML",
		fix: "render the template, or quote the text",
	}
}

// encrypted recognises a document encrypted by SOPS: its values mean nothing here, and its checksum would break.
func encrypted(root *node) *treeError {
	m, ok := root.val.(map[string]any)
	if !ok {
		return nil
	}
	sops, ok := m["sops"].(map[string]any)
	if !ok {
		return nil
	}
	_, mac := sops["mac"]
	_, version := sops["version"]
	if !mac && !version {
		return nil
	}
	at := span{root.start, root.start}
	for i := range root.entries {
		if e := &root.entries[i]; e.name == "sops" && e.key != nil {
			at = span{e.key.start, e.key.end}
		}
	}
	return &treeError{code: "encrypted", at: at, msg: "the document is encrypted by SOPS", fix: "commit it unencrypted, or leave it out of the fabric's directory"}
}

// explain finds the place of a syntax error. The marks of yaml v4 are exact; the line numbers in the messages of the
// other parsers are not (off by one in several cases) and are not used.
func explain(text []byte, cause error) *treeError {
	e := &treeError{code: "yaml-syntax", msg: oneLine(cause), fix: "correct the YAML at this place"}
	if i := strings.Index(e.msg, ": "); strings.HasPrefix(e.msg, "line ") && i > 0 {
		e.msg = e.msg[i+2:]
	}
	var doc yaml4.Node
	_, err := guarded(func() (struct{}, error) { return struct{}{}, yaml4.Unmarshal(text, &doc) })
	mark, found := yaml4.Mark{}, false
	var le *yaml4.LoadError
	var many *yaml4.LoadErrors
	if errors.As(err, &many) && len(many.Errors) > 0 {
		le = many.Errors[0]
	}
	if le != nil || errors.As(err, &le) {
		mark, found = le.Mark, le.Mark.Line > 0
		e.msg = le.Message
		quoted := strings.Contains(le.ContextMsg, "quoted scalar") && strings.HasPrefix(le.Message, "found unexpected")
		key := strings.Contains(le.ContextMsg, "simple key")
		if (quoted || key) && le.ContextMark.Line > 0 {
			// The mistake is where the scalar begins, not where the reader gave up.
			mark = le.ContextMark
		}
		if strings.Contains(le.ContextMsg, "flow") && le.ContextMark.Line > 0 {
			e.first = markOffset(text, le.ContextMark) + 1
			if markOffset(text, mark) == len(text) {
				mark, e.first = le.ContextMark, 0 // nothing at the end of the text shows the mistake
			}
		}
	}
	at := 0
	if found {
		at = markOffset(text, mark)
	} else {
		at = firstBadTab(text)
	}
	e.at = span{at, at}
	if at < len(text) && breakLen(text, at) == 0 {
		_, n := utf8.DecodeRune(text[at:])
		e.at.end = at + n
	}
	line := lineStart(text, min(at, len(text)))
	indent := line
	for indent < len(text) && isBlank(text[indent]) {
		indent++
	}
	if tab := bytes.IndexByte(text[line:indent], '\t'); tab >= 0 || strings.Contains(e.msg, "tab character") {
		e.code, e.msg, e.fix = "tab-indent", "a tab is used for indentation", "indent with spaces"
		if e.first = 0; tab >= 0 {
			e.at = span{line + tab, line + tab + 1}
		}
	} else if c := conflictMarker(text); c >= 0 {
		e.at, e.first = span{c, lineEnd(text, c)}, 0
		e.msg, e.fix = "an unresolved merge conflict of Git", "resolve the conflict and remove its markers"
	} else if strings.Contains(e.msg, "exceeded max depth") {
		e.code, e.msg, e.fix, e.first = "too-deep", fmt.Sprintf("maps and lists are nested more than %d deep", MaxDepth), "flatten the document", 0
	} else if t := templateStart(text, line); t >= 0 {
		return templateError(text, t)
	} else {
		e.msg, e.fix = friendly(e.msg)
		if e.first == 0 {
			e.msg = strings.TrimSuffix(e.msg, " that opens") // it opens right at this place
		}
	}
	return e
}

// templateStart finds the braces of a template language on the line of an error, or alone on a line of their own.
func templateStart(text []byte, errorLine int) int {
	for i := 0; i < len(text); {
		next := nextLine(text, i)
		line := bytes.TrimLeft(text[i:next], " \t")
		indent := next - i - len(line)
		for _, open := range []string{"{{", "{%"} {
			if at := bytes.Index(line, []byte(open)); at == 0 || at > 0 && i == errorLine {
				return i + indent + at
			}
		}
		i = next
	}
	return -1
}

// conflictMarker finds the line that Git puts in front of the first side of a conflict.
func conflictMarker(text []byte) int {
	if bytes.HasPrefix(text, []byte("<<<<<<< ")) {
		return 0
	}
	if i := bytes.Index(text, []byte("\n<<<<<<< ")); i >= 0 {
		return i + 1
	}
	return -1
}

func firstBadTab(text []byte) int {
	for i := 0; i < len(text); {
		j := i
		for j < len(text) && (text[j] == ' ' || text[j] == '-') {
			j++
		}
		if j < len(text) && text[j] == '\t' {
			return j
		}
		i = nextLine(text, i)
	}
	return 0
}

// markOffset converts a line and column of the parser (code points, from 1) to an offset.
func markOffset(text []byte, m yaml4.Mark) int {
	i := 0
	for l := 1; l < m.Line && i < len(text); l++ {
		i = nextLine(text, i)
	}
	for c := 1; c < m.Column && i < len(text) && breakLen(text, i) == 0; c++ {
		_, n := utf8.DecodeRune(text[i:])
		i += n
	}
	return i
}

// friendly rewords the parser's messages and says what to do.
func friendly(msg string) (string, string) {
	for _, m := range []struct{ part, msg, fix string }{
		{"mapping values are not allowed", "a second \": \" on one line, or a wrong indentation", "quote the value, or indent the line like its neighbours"},
		{"could not find expected ':'", "a line without \": \" among the keys of a map", "write it as \"key: value\", or indent it below its key"},
		{"found unexpected end of stream", "the quoted text is never closed", "close the quote"},
		{"found unexpected document indicator", "the quoted text is never closed", "close the quote"},
		{"did not find expected key", "this is neither a key of the map nor the end of it", "indent the line like its neighbours, or quote the value in front of it"},
		{"did not find expected '-' indicator", "this is neither an item of the list nor the end of it", "start the line with \"- \", or indent it like its neighbours"},
		{"block sequence entries are not allowed", "a list cannot begin here", "put \"- \" on a line of its own"},
		{"found character that cannot start any token", "a value cannot begin with this character", "quote the value"},
		{"unknown anchor", "the alias names an anchor that does not stand before it", "define the anchor first, or write the value out"},
		{"did not find expected ',' or ']'", "a comma or the closing bracket is missing in the list that opens", "add \",\" or \"]\""},
		{"did not find expected ',' or '}'", "a comma or the closing brace is missing in the map that opens", "add \",\" or \"}\""},
		{"did not find expected node content", "a value is missing here", "write a value, or quote the text"},
		{"found unknown escape character", "an unknown escape in double quotes", "use single quotes, or double the backslash"},
		{"did not find expected <document start>", "text after the end of the document", "indent the line like its neighbours, or start a new document with ---"},
	} {
		if strings.Contains(msg, m.part) {
			return m.msg, m.fix
		}
	}
	return msg, "correct the YAML at this place"
}
