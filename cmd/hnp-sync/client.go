package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	// clientTimeout bounds one request to a running server.
	clientTimeout = 30 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 20
)

// client talks to a running server.
type client struct {
	server *url.URL
	token  string
	http   *http.Client
}

// serverFlags are the flags of every command that talks to a running server.
type serverFlags struct {
	server, tokenFile, output string
}

func (f *serverFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.server, "server", "", "URL of the running server (or HNP_SYNC_SERVER)")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "file with the API token, or a NetBox token (or HNP_SYNC_TOKEN, the token itself)")
	cmd.Flags().StringVarP(&f.output, "output", "o", "text", "text or json")
}

// client checks the flags and makes the client.
func (f *serverFlags) client() (*client, error) {
	if f.output != "text" && f.output != "json" {
		return nil, usageError(fmt.Errorf("--output %q: use text or json", f.output))
	}
	address := f.server
	if address == "" {
		address = os.Getenv("HNP_SYNC_SERVER")
	}
	if address == "" {
		return nil, usageError(errors.New("which server? give --server URL or set HNP_SYNC_SERVER"))
	}
	u, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, usageError(fmt.Errorf("--server %q: use a URL like http://127.0.0.1:8080", address))
	}
	token := os.Getenv("HNP_SYNC_TOKEN")
	if f.tokenFile != "" {
		data, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return nil, usageError(fmt.Errorf("read token: %w", err))
		}
		token = string(data)
	}
	token = strings.TrimSpace(token)
	if token == "" {
		return nil, usageError(errors.New("no token: give --token-file FILE or set HNP_SYNC_TOKEN"))
	}
	if strings.ContainsAny(token, "\r\n\x00") {
		return nil, usageError(errors.New("the token holds a line break: one token per file"))
	}
	return &client{server: u, token: token, http: &http.Client{
		Timeout: clientTimeout,
		// A redirect would carry the token to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// apiError is an answer that is no success.
type apiError struct {
	status       int
	detail, code string
}

func (e *apiError) Error() string {
	if e.detail == "" {
		return fmt.Sprintf("the server answered %d", e.status)
	}
	return e.detail
}

// do sends one request and decodes the answer into out; raw is the answer's body.
func (c *client) do(ctx context.Context, method, path string, query url.Values, in, out any) (raw []byte, err error) {
	u := c.server.JoinPath(path)
	if strings.HasSuffix(path, "/") && !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	u.RawQuery = query.Encode()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w (is it running? start it with: hnp-sync serve --config FILE)", err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		failed := &apiError{status: resp.StatusCode}
		var e struct{ Detail, Code string }
		if json.Unmarshal(raw, &e) == nil {
			failed.detail, failed.code = e.Detail, e.Code
		}
		return raw, failed
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return raw, fmt.Errorf("the answer of %s is not hnp-sync's: %w", u.Redacted(), err)
	}
	return raw, nil
}

// printJSON writes the server's answer as it came, indented.
func printJSON(w io.Writer, raw []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}
