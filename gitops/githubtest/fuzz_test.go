package githubtest

import (
	"bytes"
	"testing"
)

func FuzzParseGraphQL(f *testing.F) {
	for _, src := range []string{commitMutation, `{a(b:"\u00e9\n",c:[1,-2.5e3],d:{e:$f}) @skip(if:true){...on X{y}...Z}} fragment Z on Y{z}`, `query($a:[Int!]!=[1]){x(t:"""  block
	  text \""" """)}`, "{", "\"", "{a(b:\"\\u12", `{x(t:"""`, "# only"} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		doc, err := parseGraphQL(src)
		if (doc == nil) == (err == nil) {
			t.Fatalf("%v %v", doc, err)
		}
	})
}

func FuzzParsePush(f *testing.F) {
	var b bytes.Buffer
	pkt(&b, zeroOID+" "+zeroOID+" refs/heads/x\x00 report-status side-band-64k\n")
	b.WriteString("0000PACK")
	f.Add(b.Bytes())
	f.Add([]byte("0000"))
	f.Add([]byte("ffff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		commands, _, err := parsePush(body)
		if err != nil && commands != nil {
			t.Fatal("commands with an error")
		}
	})
}

func FuzzParseObjects(f *testing.F) {
	f.Add([]byte("100644 a\x00aaaaaaaaaaaaaaaaaaaa"))
	f.Add([]byte("tree " + zeroOID + "\nauthor A <a@b> 1 +0130\ncommitter A <a@b> 1 -0130\n\nm"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if entries, err := parseTree(data); err == nil && len(entries) > 0 {
			again, err := parseTree(formatTree(entries))
			if err != nil || len(again) != len(entries) {
				t.Fatalf("%v %v", again, err)
			}
		}
		if c, err := parseCommit(zeroOID, data); err == nil {
			_ = c.format()
			_, _ = c.headline(), c.body()
		}
	})
}
