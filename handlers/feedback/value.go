package feedback

import (
	"bytes"
	"encoding/json"
	"strings"
)

// jsonText is a value as JSON on one line, with < > & as they are.
func jsonText(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
