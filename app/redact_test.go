package app

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestLogsHoldNoSecret(t *testing.T) {
	t.Parallel()
	const key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAabcdefghijklmnop\nqrstuvwxyz0123456789ABCDEFGHIJKL\n-----END RSA PRIVATE KEY-----"
	hidden := map[string]string{
		"configured token":       "netbox-token-0123",
		"token with quotes":      `we"ird\token`,
		"webhook secret":         "whsecret",
		"line of a private key":  "qrstuvwxyz0123456789ABCDEFGHIJKL",
		"whole private key":      key,
		"unknown key":            "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIx\n-----END EC PRIVATE KEY-----",
		"installation token":     "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
		"long installation form": "ghs_1234_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOjF9.c2lnbmF0dXJl",
		"personal token":         "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
		"NetBox v2 token":        "nbt_AbCdEfGhIjKl.0123456789abcdef0123456789abcdef01234567",
		"JWT":                    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjF9.c2lnbmF0dXJlLXRleHQ",
		"header":                 "Authorization: Bearer abcdefghijklmnopqrstuvwx",
		"credentials in a URL":   "https://x-access-token:s3cr3tvalue@github.com/acme/x.git",
	}
	show := map[string]string{ // what of it must not appear
		"unknown key": "MHcCAQEEIIx", "header": "abcdefghijklmnopqrstuvwx", "credentials in a URL": "s3cr3tvalue",
	}
	var out bytes.Buffer
	r := NewRedactor(&out)
	r.Hide("netbox-token-0123", `we"ird\token`, "whsecret", key, "abc")
	log := NewLogger(r, zap.DebugLevel)
	for name, value := range hidden {
		out.Reset()
		log.Error("in the message: "+value, zap.String("field", value), zap.Error(errors.New("in an error: "+value)),
			zap.Any("map", map[string]any{"deep": []string{value}}), zap.ByteString("bytes", []byte(value)))
		log.With(zap.String("context", value)).Sugar().Infow("x", "key", value)
		find := show[name]
		if find == "" {
			find = value
		}
		for _, form := range []string{find, strings.ReplaceAll(find, "\n", `\n`), strings.ReplaceAll(find, `"`, `\"`)} {
			if strings.Contains(out.String(), form) {
				t.Errorf("%s: %q is in the log: %s", name, form, out.String())
			}
		}
		if !strings.Contains(out.String(), blanked) {
			t.Errorf("%s: nothing was blanked out: %s", name, out.String())
		}
	}
	out.Reset()
	log.Info("delivery stored", zap.String("delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"), zap.String("head", "6dcb09b5b57875f334f61aebed695e2e4193db5e"), zap.String("x", "abc"))
	if strings.Contains(out.String(), blanked) {
		t.Errorf("ordinary values were blanked out: %s", out.String())
	}
}

func TestNewOperation(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 7, 30, 14, 34, 56, 0, time.FixedZone("", 2*3600))
	seen := map[string]bool{}
	for range 100 {
		id := NewOperation(at)
		rest, ok := strings.CutPrefix(id, "sync_20250730_123456_")
		if !ok || len(rest) != 6 || strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("operation id %q", id)
		}
		seen[id] = true
	}
	if len(seen) < 99 {
		t.Errorf("only %d different ids of 100", len(seen))
	}
}
