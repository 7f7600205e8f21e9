package gitops

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRule1Numbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"1e3", "1000", true}, {"1E+3", "1000.0", true}, {"1000", "1000.000", true}, {"-0", "0", true}, {"-0.0e5", "0", true},
		{"0e999999", "0", true}, {"1", "-1", false}, {"-1.0", "-1", true}, {"100e-2", "1", true}, {"0.5", "5e-1", true},
		{"9007199254740993", "9007199254740992", false}, {"9007199254740993.0", "9007199254740993", true},
		{"9007199254740993e2", "900719925474099300", true}, {"1e400", "10e399", true}, {"1e400", "1e401", false},
		{"1" + strings.Repeat("0", 500), "1e500", true}, {"0.1", "0.10000000000000000001", true}, {"0.1", "0.11", false},
		{"1e-400", "0", true}, {"1.7976931348623157e308", "17976931348623157e292", true}, {"18446744073709551616", "1.8446744073709551616e19", true},
		{"2", "20", false}, {"1e1", "1", false}, {"1e999999999999999999999", "1e999999999999999999998", false},
	} {
		if got := number(json.Number(c.a)) == number(json.Number(c.b)); got != c.same {
			t.Errorf("%s and %s: same %t (%s, %s)", c.a, c.b, got, number(json.Number(c.a)), number(json.Number(c.b)))
		}
	}
}

// spelling draws one JSON spelling of a number.
func spelling(t *rapid.T, label string) json.Number {
	return json.Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,6})?([eE][-+]?[0-9]{1,2})?`).Draw(t, label))
}

// Two integral spellings have one canonical text exactly when their values are equal, and the text is an integer of
// that value; what is written into Git for it reads back as the same number.
func TestRule1NumbersByValue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := spelling(t, "a"), spelling(t, "b")
		ra, ok := new(big.Rat).SetString(string(a))
		rb, ok2 := new(big.Rat).SetString(string(b))
		if !ok || !ok2 {
			t.Fatalf("%s or %s is no number", a, b)
		}
		if ra.IsInt() && number(a) != ra.Num().String() {
			t.Fatalf("%s is %s", a, number(a))
		}
		if ra.IsInt() && rb.IsInt() && (number(a) == number(b)) != (ra.Cmp(rb) == 0) {
			t.Fatalf("%s and %s", a, b)
		}
		fa, _ := ra.Float64()
		fb, _ := rb.Float64()
		if !ra.IsInt() && !rb.IsInt() && (number(a) == number(b)) != (fa == fb) {
			t.Fatalf("%s and %s: %s, %s", a, b, number(a), number(b))
		}
		if number(json.Number(number(a))) != number(a) {
			t.Fatalf("the canonical text of %s is not canonical: %s", a, number(a))
		}
		if out := forGit(a).(json.Number); number(out) != number(a) || ra.IsInt() && !isInteger(string(out)) {
			t.Fatalf("%s is written as %s", a, out)
		}
	})
}
