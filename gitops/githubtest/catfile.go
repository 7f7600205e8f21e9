package githubtest

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// catFile is a running `git cat-file --batch`.
type catFile struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startCatFile(run *gitRunner, dir string) (*catFile, error) {
	cmd := run.command(dir, "cat-file", "--batch")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start git cat-file: %w", err)
	}
	return &catFile{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

func (c *catFile) read(oid string) (object, error) {
	if _, err := io.WriteString(c.in, oid+"\n"); err != nil {
		return object{}, err
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return object{}, err
	}
	fields := strings.Fields(line)
	if len(fields) == 2 && fields[1] == "missing" {
		return object{}, errNoObject
	}
	if len(fields) != 3 {
		return object{}, fmt.Errorf("git cat-file answered %q", line)
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil {
		return object{}, err
	}
	data := make([]byte, size+1)
	if _, err := io.ReadFull(c.out, data); err != nil {
		return object{}, err
	}
	return object{kind: fields[1], data: data[:size]}, nil
}

func (c *catFile) close() {
	c.in.Close()
	c.cmd.Wait()
}
