package manifests

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files and generated pages")

func TestDiagnosticsPage(t *testing.T) {
	t.Parallel()
	const page = "../docs/diagnostics.md"
	want := CodesMarkdown()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not current: go test ./manifests -run TestDiagnosticsPage -update", page)
	}
}

// Every code that the source of this package can report is documented, and nothing else is. Codes are found where the
// source writes them: as a field called code or Code, and as the argument of a function's parameter called code.
func TestEveryCodeIsDocumented(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	var sources []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || name == "codes.go" {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, f)
	}
	position := codeParameters(sources)
	form := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	written := map[string]bool{}
	note := func(e ast.Expr) {
		if text, ok := e.(*ast.BasicLit); ok && text.Kind == token.STRING {
			if code, err := strconv.Unquote(text.Value); err == nil && form.MatchString(code) {
				written[code] = true
			}
		}
	}
	for _, f := range sources {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && strings.EqualFold(key.Name, "code") {
					note(n.Value)
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if s, ok := left.(*ast.SelectorExpr); ok && strings.EqualFold(s.Sel.Name, "code") && i < len(n.Rhs) {
						note(n.Rhs[i])
					}
				}
			case *ast.CallExpr:
				name := ""
				switch fun := n.Fun.(type) {
				case *ast.Ident:
					name = fun.Name
				case *ast.SelectorExpr:
					name = fun.Sel.Name
				}
				for _, i := range position[name] {
					if i < len(n.Args) {
						note(n.Args[i])
					}
				}
			}
			return true
		})
	}
	documented := map[string]bool{}
	for _, c := range Codes() {
		if documented[c.Code] {
			t.Errorf("%s is documented twice", c.Code)
		}
		documented[c.Code] = true
		if !written[c.Code] {
			t.Errorf("%s is documented, but nothing reports it", c.Code)
		}
	}
	for code := range written {
		if !documented[code] {
			t.Errorf("%s is reported, but not documented in codes.go", code)
		}
	}
}

// codeParameters finds the position of a parameter called code in functions, methods and function literals that have a
// name.
func codeParameters(sources []*ast.File) map[string][]int {
	found := map[string][]int{}
	look := func(name string, fun *ast.FuncType) {
		i := 0
		for _, field := range fun.Params.List {
			for _, param := range field.Names {
				if param.Name == "code" && !slices.Contains(found[name], i) {
					found[name] = append(found[name], i)
				}
				i++
			}
		}
	}
	for _, f := range sources {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				look(n.Name.Name, n.Type)
			case *ast.AssignStmt:
				for i, right := range n.Rhs {
					literal, ok := right.(*ast.FuncLit)
					name, named := n.Lhs[min(i, len(n.Lhs)-1)].(*ast.Ident)
					if ok && named {
						look(name.Name, literal.Type)
					}
				}
			}
			return true
		})
	}
	return found
}
