package feedback

import (
	"strings"
)

const (
	markerStart = "<!-- hnp-sync:"
	markerEnd   = " -->"
	maxTopic    = 100
)

// Marker is the hidden first line by which a rolling comment, issue or pull request of a topic is found again when its
// id is lost: a topic such as "issue/fabric-1". Characters other than a-z, 0-9, "/", "_" and single "-" become "_". It
// proves nothing: only texts written by the App itself may be searched for it.
func Marker(topic string) string { return markerStart + cleanTopic(topic) + markerEnd }

func cleanTopic(topic string) string {
	var b strings.Builder
	for _, r := range topic {
		switch {
		case b.Len() == maxTopic:
			return b.String()
		case r == '-' && b.Len() > 0 && !strings.HasSuffix(b.String(), "-"), r == '/', r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}

// FindMarker reads the topic of a body's marker. Only the first line counts: anything below may quote foreign text.
func FindMarker(body string) (topic string, ok bool) {
	first, _, _ := strings.Cut(body, "\n")
	first = strings.TrimSuffix(first, "\r") // GitHub gives back what a browser sent
	rest, ok := strings.CutPrefix(first, markerStart)
	if !ok {
		return "", false
	}
	topic, ok = strings.CutSuffix(rest, markerEnd)
	if !ok || topic == "" || topic != cleanTopic(topic) {
		return "", false
	}
	return topic, true
}
