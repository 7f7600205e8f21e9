package gitops

import (
	"strings"
	"testing"
)

// A document that lost the line that made it a resource deletes nothing: the file still holds what a person meant.
func TestLostLinesDeleteNothing(t *testing.T) {
	t.Parallel()
	spoiled := func(spoil func(text string) string, deletes bool) func(s *story) {
		return func(s *story) {
			s.both(doc("vpc/a", "{mode: 1}"), doc("vpc/b", "{mode: 1}"), doc("vpc/c", "{mode: 1}"))
			good := s.files()[aFile]
			bad := spoil(good)
			if bad == good {
				s.fail("nothing was spoiled")
			}
			s.gitPush(aFile, bad)
			s.nbSet("vpc/b", "spec.mode", "2")
			s.settled()
			s.wantBoth("vpc/b", "spec.mode", "2")
			if deletes {
				s.wantGone(SideNetBox, "vpc/a")
				return
			}
			s.wantThere(SideNetBox, "vpc/a")
			s.wantFrozen("vpc/a", FileStructure)
			for _, f := range s.last.Status.Frozen {
				if f.Resource == "vpc/a" && (f.File != aFile || f.Line == 0) {
					s.fail("the cause is said to be at %s:%d", f.File, f.Line)
				}
			}
			s.gitPush(aFile, good)
			s.settled()
			s.wantBoth("vpc/a", "spec.mode", "1")
			s.wantInSync()
		}
	}
	swap := func(old, new string) func(string) string {
		return func(text string) string { return strings.Replace(text, old, new, 1) }
	}
	tales(t, map[string]func(s *story){
		"without kind":             spoiled(swap("kind: VPC\n", ""), false),
		"without apiVersion":       spoiled(swap("apiVersion: vpc.githedgehog.com/v1beta1\n", ""), false),
		"kind mistyped":            spoiled(swap("kind: VPC", "kind: Vpc"), false),
		"group mistyped":           spoiled(swap("vpc.githedgehog.com", "vpc.hedgehog.com"), false),
		"an error page":            spoiled(func(string) string { return "<html>502 Bad Gateway</html>\n" }, false),
		"a list of resources":      spoiled(func(string) string { return "apiVersion: v1\nkind: List\nitems: [{metadata: {name: a}}]\n" }, false),
		"another, unrelated thing": spoiled(func(string) string { return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" }, true),
		"settings":                 spoiled(func(string) string { return "a: 1\n" }, true),
		"nothing but a comment":    spoiled(func(string) string { return "# gone\n" }, true),
	})
}
