package app

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
	"time"
)

// operationRandom is 6 base32 characters: 30 bits.
const operationRandom = 6

// NewOperation makes an operation id: sync_20250730_123456_k7q2mx, UTC and 6 random base32 characters.
func NewOperation(now time.Time) string {
	var b [4]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	text := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
	return "sync_" + now.UTC().Format("20060102_150405") + "_" + text[:operationRandom]
}
