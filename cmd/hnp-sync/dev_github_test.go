package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDevGitHub(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seed := filepath.Join(dir, "seed.yaml")
	if err := os.WriteFile(seed, []byte("tokens: {t: {login: alice}}\ngithub: {repos: [{owner: acme, name: fabric, from: src}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "src"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "src", "a"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() {
		code := run(ctx, []string{"dev", "github", "--data", filepath.Join(dir, "data"), "--seed", seed}, strings.NewReader(""), in, io.Discard)
		in.Close()
		done <- code
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready map[string]any
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if ready["pid"] != float64(os.Getpid()) || ready["api_url"] != ready["url"].(string)+"/api/v3" || ready["graphql_url"] != ready["url"].(string)+"/api/graphql" || ready["git_url"] != ready["url"] {
		t.Errorf("ready line %s", line)
	}
	req, err := http.NewRequest("GET", ready["api_url"].(string)+"/repos/acme/fabric/contents/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token t")
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("contents: %d", resp.StatusCode)
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit code %d", code)
	}
}
